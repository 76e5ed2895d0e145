// Command validate judges events by the published schemas as a Go program does: RE2 and encoding/json.
//
// It reads the schemas and the cases from standard input and writes what it found.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

func main() {
	var given struct {
		Schemas map[string]json.RawMessage
		Cases   []struct{ Type, Text string }
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	answer := struct {
		Refused map[string]string `json:"refused"`
		Valid   []*bool           `json:"valid"`
	}{Refused: map[string]string{}}
	schemas := map[string]*jsonschema.Schema{}
	for name, text := range given.Schemas {
		schema, err := jsonschema.CompileString(name+".json", string(text))
		if err != nil {
			answer.Refused[name] = err.Error()
			continue
		}
		schemas[name] = schema
	}
	for _, each := range given.Cases {
		answer.Valid = append(answer.Valid, valid(schemas[each.Type], each.Text))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		log.Fatal(err)
	}
}

// valid returns nil for what is no JSON, or has no schema.
func valid(schema *jsonschema.Schema, text string) *bool {
	var document interface{}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if schema == nil || decoder.Decode(&document) != nil {
		return nil
	}
	is := schema.Validate(document) == nil
	return &is
}
