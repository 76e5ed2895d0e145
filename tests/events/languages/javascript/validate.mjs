// Judges events by the published schemas with ajv in strict mode; reads from standard input, writes what it found.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";

const { schemas, cases, asyncapi } = JSON.parse(readFileSync(0, "utf8"));
const answer = { refused: {}, valid: [], asyncapi: null };

const ajv = new Ajv2020({ strict: true, unicodeRegExp: true, logger: false });
const validators = {};
for (const [name, schema] of Object.entries(schemas)) {
  try {
    validators[name] = ajv.compile(schema);
  } catch (error) {
    answer.refused[name] = error.message;
  }
}
answer.valid = cases.map(({ type, text }) => {
  try {
    return validators[type](JSON.parse(text));
  } catch {
    return null; // no JSON, or its schema was refused
  }
});

// AsyncAPI's own schema is not made for strict mode.
const specification = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json");
const describes = new Ajv({ strict: false, logger: false, validateFormats: false }).compile(specification);
answer.asyncapi = describes(asyncapi) ? [] : describes.errors.map((e) => `${e.instancePath} ${e.message}`);

process.stdout.write(JSON.stringify(answer));
