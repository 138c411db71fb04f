// An SMSC of the unchanged npm package smpp, with a control API over HTTP like the sandbox's.
//   node smpp_server.mjs FOLDER_OF_THE_PACKAGE SMPP_PORT CONTROL_PORT
// Each submit is answered after `latency_ms`, then followed by its receipt, which is repeated until it is accepted.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [folder, smppPort, controlPort] = process.argv.slice(2);
const smpp = createRequire(`${folder}/`)("smpp");

let settings = { latency_ms: 0 };
let counts;
let seen;
let ids = 0;

function reset() {
  counts = { submits: 0, duplicates: 0, receipts_sent: 0, receipts_retried: 0, first_at: null, last_at: null };
  seen = new Set();
}

function submitted(session, pdu) {
  counts.submits += 1;
  counts.last_at = Date.now() / 1000;
  counts.first_at ??= counts.last_at;
  if (settings.smpp_throttle_every && counts.submits % settings.smpp_throttle_every === 0) {
    session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    return;
  }
  const part = `${pdu.destination_addr} ${pdu.short_message.udh?.[0]?.at(-1) ?? 1}`;
  if (seen.has(part)) counts.duplicates += 1;
  else seen.add(part);
  if (settings.latency_ms) setTimeout(answer, settings.latency_ms, session, pdu);
  else answer(session, pdu);
}

function answer(session, pdu) {
  const id = String(++ids);
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery & 1) deliver(session, pdu, id);
}

function deliver(session, pdu, id) {
  const receipt = {
    esm_class: 4,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    receipted_message_id: id,
    message_state: 2,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:DELIVRD err:000 text:`,
  };
  session.deliver_sm(receipt, (answered) => {
    if (answered.command_status === 0) counts.receipts_sent += 1;
    else {
      counts.receipts_retried += 1;
      setTimeout(deliver, 100, session, pdu, id);
    }
  });
}

reset();
smpp
  .createServer((session) => {
    session.on("error", () => {});
    session.on("bind_transceiver", (pdu) => session.send(pdu.response({ system_id: "npm" })));
    session.on("enquire_link", (pdu) => session.send(pdu.response()));
    session.on("unbind", (pdu) => session.send(pdu.response(), () => session.close()));
    session.on("submit_sm", (pdu) => submitted(session, pdu));
  })
  .listen(Number(smppPort), "127.0.0.1");

createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (request.url === "/settings") settings = { ...settings, ...JSON.parse(body) };
  else if (request.url === "/reset") reset();
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ ...counts, unique_references: seen.size }));
}).listen(Number(controlPort), "127.0.0.1");
