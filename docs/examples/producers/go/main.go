// Command producer sends an order with its lines and its payment to Shop Platform, and says what was acknowledged.
//
// It reads the SHOP_KAFKA_* variables (docs/kafka-security.md). Contract: docs/contract.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type object = map[string]interface{}

// money writes cents as the contract wants amounts: a decimal string, never a floating-point number.
func money(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// newID returns a UUID of version 7: the time first, which keeps the warehouse's index local.
func newID() string {
	var id [16]byte
	if _, err := rand.Read(id[6:]); err != nil {
		log.Fatal(err)
	}
	for now, i := time.Now().UnixMilli(), 5; i >= 0; now, i = now>>8, i-1 {
		id[i] = byte(now)
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// event returns a record whose key is the event's subject: what is told of one order stays in order.
func event(kind, subject string, data object) *kgo.Record {
	value, err := json.Marshal(object{
		"specversion": "1.0", "id": newID(), "source": "/shop/example-go", "type": kind, "subject": subject,
		"time": time.Now().UTC().Format(time.RFC3339Nano), "datacontenttype": "application/json", "data": data,
	})
	if err != nil {
		log.Fatal(err)
	}
	headers := []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	return &kgo.Record{Topic: "shop.orders", Key: []byte(subject), Value: value, Headers: headers}
}

func options() ([]kgo.Opt, error) {
	env := func(name string) string { return os.Getenv("SHOP_KAFKA_" + name) }
	brokers := env("BOOTSTRAP")
	if brokers == "" {
		brokers = "127.0.0.1:9092"
	}
	// Idempotent and acks=all unless told otherwise: a repeated attempt lands once.
	found := []kgo.Opt{kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordDeliveryTimeout(30 * time.Second)}
	protocol := env("SECURITY_PROTOCOL")
	if strings.HasSuffix(protocol, "SSL") {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if path := env("SSL_CA"); path != "" {
			pem, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(pem)
		}
		if path := env("SSL_CERTIFICATE"); path != "" {
			certificate, err := tls.LoadX509KeyPair(path, env("SSL_KEY"))
			if err != nil {
				return nil, err
			}
			config.Certificates = []tls.Certificate{certificate}
		}
		found = append(found, kgo.DialTLSConfig(config))
	}
	if strings.HasPrefix(protocol, "SASL") {
		user, password := env("SASL_USERNAME"), env("SASL_PASSWORD")
		switch env("SASL_MECHANISM") {
		case "PLAIN":
			found = append(found, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
		case "SCRAM-SHA-256":
			found = append(found, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
		default:
			found = append(found, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
		}
	}
	return found, nil
}

func main() {
	order := "go-" + newID()
	line := func(number int, product string, quantity, price, discount, tax int) object {
		return object{"line_number": number, "product_id": product, "sku": product, "quantity": quantity,
			"unit_price": money(price), "discount": money(discount), "tax": money(tax)}
	}
	// 2 x 100.00 + 19.90 = 219.90; - 10.00 + 4.90 + 39.88 = 254.68
	placed := event("shop.order.placed.v1", order, object{
		"order_id": order, "customer_id": "cus_example", "channel": "web", "device": "desktop", "country": "DE",
		"currency": "EUR", "lines": []object{line(1, "desk", 2, 10000, 1000, 3610), line(2, "lamp", 1, 1990, 0, 378)},
		"subtotal": money(21990), "discount": money(1000), "shipping": money(490), "tax": money(3988), "total": money(25468),
	})
	paid := event("shop.order.paid.v1", order, object{"order_id": order, "payment_id": "pay-" + order, "method": "card",
		"amount": money(25468), "currency": "EUR"})

	settings, err := options()
	if err != nil {
		log.Fatal(err)
	}
	client, err := kgo.NewClient(settings...)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	results := client.ProduceSync(context.Background(), placed, paid)
	if err := results.FirstErr(); err != nil {
		log.Fatal("not acknowledged: ", err) // sent again with the same ids, nothing lands twice
	}
	for _, result := range results {
		fmt.Printf("acknowledged %s %s[%d]@%d\n", result.Record.Key, result.Record.Topic, result.Record.Partition, result.Record.Offset)
	}
}
