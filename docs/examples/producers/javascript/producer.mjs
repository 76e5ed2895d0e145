// Sends an order with its lines and its payment to Shop Platform, and says what was acknowledged.
//
// It reads the SHOP_KAFKA_* variables (docs/kafka-security.md). Contract: docs/contract.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { ProduceAcks, Producer, stringSerializers } from "@platformatic/kafka";

const env = (name) => process.env[`SHOP_KAFKA_${name}`] || undefined;
const file = (name) => env(name) && readFileSync(env(name));

// Amounts are decimal strings, never floating-point numbers; here they are counted in cents.
const money = (cents) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

// A UUID of version 7: the time first, which keeps the warehouse's index local.
function newId() {
  const id = randomBytes(16);
  id.writeUIntBE(Date.now(), 0, 6);
  id[6] = (id[6] & 0x0f) | 0x70;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// The key is the event's subject: what is told of one order stays in order.
function message(type, subject, data) {
  const time = new Date().toISOString();
  const envelope = { specversion: "1.0", id: newId(), source: "/shop/example-javascript", type, time, subject };
  const value = JSON.stringify({ ...envelope, datacontenttype: "application/json", data });
  return { topic: "shop.orders", key: subject, value, headers: { "content-type": "application/cloudevents+json" } };
}

function line(number, product, quantity, price, discount, tax) {
  const amounts = { unit_price: money(price), discount: money(discount), tax: money(tax) };
  return { line_number: number, product_id: product, sku: product, quantity, ...amounts };
}

const order = `js-${newId()}`;
// 2 x 100.00 + 19.90 = 219.90; - 10.00 + 4.90 + 39.88 = 254.68
const placed = message("shop.order.placed.v1", order, {
  order_id: order,
  customer_id: "cus_example",
  channel: "web",
  device: "desktop",
  country: "DE",
  currency: "EUR",
  lines: [line(1, "desk", 2, 10000, 1000, 3610), line(2, "lamp", 1, 1990, 0, 378)],
  subtotal: money(21990),
  discount: money(1000),
  shipping: money(490),
  tax: money(3988),
  total: money(25468),
});
const payment = { order_id: order, payment_id: `pay-${order}`, method: "card", amount: money(25468), currency: "EUR" };
const paid = message("shop.order.paid.v1", order, payment);

const protocol = env("SECURITY_PROTOCOL") ?? "PLAINTEXT";
const producer = new Producer({
  clientId: "shop-example",
  bootstrapBrokers: (env("BOOTSTRAP") ?? "127.0.0.1:9092").split(","),
  serializers: stringSerializers,
  // A repeated attempt lands once; acknowledged is what every replica has.
  idempotent: true,
  acks: ProduceAcks.ALL,
  autocreateTopics: false,
  retries: 5,
  tls: protocol.endsWith("SSL")
    ? { ca: file("SSL_CA"), cert: file("SSL_CERTIFICATE"), key: file("SSL_KEY"), passphrase: env("SSL_KEY_PASSWORD") }
    : undefined,
  tlsServerName: protocol.endsWith("SSL") || undefined,
  sasl: protocol.startsWith("SASL")
    ? {
        mechanism: env("SASL_MECHANISM") ?? "SCRAM-SHA-512",
        username: env("SASL_USERNAME"),
        password: env("SASL_PASSWORD"),
      }
    : undefined,
});
try {
  const { offsets } = await producer.send({ messages: [placed, paid] });
  for (const { topic, partition, offset } of offsets) {
    console.log(`acknowledged ${order} ${topic}[${partition}]@${offset}`);
  }
} catch (error) {
  // Sent again with the same ids, nothing lands twice.
  console.error(`not acknowledged: ${error.message}`);
  for (const cause of error.errors ?? []) console.error(`  ${cause.message}`);
  process.exitCode = 1;
} finally {
  await producer.close(true);
}
