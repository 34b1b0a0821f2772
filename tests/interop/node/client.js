// A client of the gateway in Node.js, from its proto files alone: submits one order and follows it to its end.
//
//   node client.js --address 127.0.0.1:7001 --client-id demo --proto PROTO --googleapis GOOGLEAPIS \
//     --symbol ACME --side SIDE_BUY --order-qty 100 --price 99.95 [--cancel]
//
// PROTO is the repository's proto/ folder, GOOGLEAPIS one that holds google/rpc/*.proto. With --cancel the order is
// canceled as soon as the venue works it. Every event is printed as one line of JSON. Exits with 0 when the order has
// come to its end, with 2 when the gateway refused it, and with 3 when nobody answered in time: then it may have been
// taken, and the same again with its --cl-ord-id tells.
"use strict";

const { randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const { parseArgs, promisify } = require("node:util");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const TEXT = { type: "string" };
const { values: options } = parseArgs({
  options: {
    address: TEXT, "client-id": TEXT, proto: TEXT, googleapis: TEXT, // Where, who, and the proto files.
    symbol: TEXT, side: TEXT, "order-qty": TEXT, price: TEXT, "cl-ord-id": TEXT, cancel: { type: "boolean" },
    "give-up-ms": { type: "string", default: "30000" },
  },
});

// Names as the proto files have them, and numbers of 64 bits (seq, times) as strings: a JavaScript number would round them.
const definitions = loader.loadSync(["gateway/v1/gateway.proto", "google/rpc/error_details.proto"], {
  includeDirs: [options.proto, options.googleapis],
  keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
});
const { gateway } = grpc.loadPackageDefinition(definitions);
const credentials = grpc.credentials.createInsecure();
const orders = new gateway.v1.OrderService(options.address, credentials);
const events = new gateway.v1.EventService(options.address, credentials);

const metadata = new grpc.Metadata();
metadata.set("client-id", options["client-id"]);

const clOrdId = options["cl-ord-id"] ?? randomUUID();
const RETRIED = [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED, grpc.status.INTERNAL];
const NOT_NOW = ["OVERLOADED", "SLOW_READER", "TOO_MANY_SUBSCRIBERS"];

// google.rpc.Status travels in the trailing metadata; its ErrorInfo says the reason and, for a command, the field.
function errorInfo(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!packed) return { reason: "" };
  const status = definitions["google.rpc.Status"].deserialize(packed);
  const info = status.details.find((detail) => detail.type_url.endsWith("/google.rpc.ErrorInfo"));
  return definitions["google.rpc.ErrorInfo"].deserialize(info.value);
}

// Not now, as opposed to no: worth asking again with the same key, which makes it safe.
function isTransient(error) {
  return RETRIED.includes(error.code) || NOT_NOW.includes(errorInfo(error).reason);
}

async function call(stub, method, request) {
  const ask = promisify(stub[method].bind(stub));
  const until = Date.now() + Number(options["give-up-ms"]);
  for (let delay = 50; ; delay = Math.min(2 * delay, 2_000)) {
    try {
      return await ask(request, metadata, { deadline: until });
    } catch (error) {
      if (!isTransient(error) || Date.now() + delay > until) throw error;
      await sleep(delay);
    }
  }
}

// Every event from a sequence number on. When the stream is lost it goes on at the last next_seq: no gap, no duplicate.
async function* eventsFrom(seq) {
  for (let next = seq; ; await sleep(200)) {
    try {
      for await (const response of events.Subscribe({ from_seq: next }, metadata)) {
        yield* response.events;
        next = response.next_seq;
      }
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }
}

// A refusal of the cancel is none of the order, whose events go on: most often a fill was faster than the cancel.
async function cancel() {
  try {
    await call(orders, "CancelOrder", { cl_ord_id: randomUUID(), orig_cl_ord_id: clOrdId });
  } catch (error) {
    if (isTransient(error)) throw error;
    console.log(JSON.stringify({ cancel_refused: errorInfo(error).reason, text: error.details ?? String(error) }));
  }
}

async function main() {
  const accepted = await call(orders, "SubmitOrder", {
    cl_ord_id: clOrdId, symbol: options.symbol, side: options.side,
    order_qty: options["order-qty"], ord_type: "ORD_TYPE_LIMIT", price: options.price,
  });
  for await (const { seq, type, order, last_qty, last_px } of eventsFrom(accepted.seq)) {
    if (order?.order_id !== accepted.order_id) continue;
    const { ord_status, cum_qty, leaves_qty, pending } = order;
    console.log(JSON.stringify({ seq, type, cl_ord_id: order.cl_ord_id, ord_status, cum_qty, leaves_qty, last_qty, last_px }));
    if (options.cancel && type === "ORDER_ACKNOWLEDGED") await cancel();
    if (Number(leaves_qty) === 0 && pending.length === 0) return;
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    if (isTransient(error)) {
      console.log(JSON.stringify({ unanswered: clOrdId, code: error.code, text: error.details }));
      process.exit(3);
    }
    const { reason, metadata: more } = errorInfo(error);
    console.log(JSON.stringify({ refused: reason, field: more?.field, code: error.code, text: error.details ?? String(error) }));
    process.exit(2);
  },
);
