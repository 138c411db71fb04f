// An SMSC made with the npm package smpp, unchanged. It prints its port, then each submit as it understands it.
// Each submit is answered, then followed by a receipt; after the first, a handset writes in two parts.
// With "put off" as its second argument, it puts off each part 2 once; with "one at a time", it throttles a submit
// while another is unanswered.
const smpp = require(process.argv[2]);

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const manner = process.argv[3];
const putOff = new Set();
let count = 0;
let unanswered = 0;

// Return the status of a submit that is refused, else 0.
function refusal(pdu) {
  const part = pdu.short_message.udh?.[0]?.join();
  if (manner === "one at a time" && unanswered) return smpp.ESME_RTHROTTLED;
  if (manner !== "put off" || !part?.endsWith(",2") || putOff.has(part)) return 0;
  putOff.add(part);
  return smpp.ESME_RTHROTTLED;
}

const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => {
    const ok = pdu.system_id === "us" && pdu.password === "a-secret";
    session.send(pdu.response({ command_status: ok ? 0 : smpp.ESME_RINVPASWD, system_id: "stranger" }));
  });
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("deliver_sm_resp", (pdu) => say({ delivered: pdu.command_status }));
  session.on("unbind", (pdu) => {
    say({ unbound: true });
    session.send(pdu.response(), () => session.close());
  });
  session.on("submit_sm", (pdu) => {
    const status = refusal(pdu);
    if (status) {
      say({ refused: [...pdu.short_message.udh[0]] });
      return session.send(pdu.response({ command_status: status }));
    }
    const id = String(++count);
    const { message, udh } = pdu.short_message;
    const payload = pdu.message_payload && pdu.message_payload.message;
    say({
      text: payload || message,
      udh: udh ? udh.map((element) => [...element]) : null,
      coding: pdu.data_coding,
      from: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr],
      to: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr],
      until: pdu.validity_period,
    });
    if (message === "no") return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    if (manner === "one at a time") {
      unanswered += 1;
      return setTimeout(() => {
        unanswered -= 1;
        session.send(pdu.response({ message_id: id }));
      }, 20);
    }
    session.send(pdu.response({ message_id: id }));
    if (manner === "put off") return undefined;
    session.deliver_sm({
      esm_class: 4,
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      receipted_message_id: id,
      message_state: 2,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:DELIVRD err:000 text:`,
    });
    if (count > 1) return undefined;
    for (const [number, text] of ["Grüße ", "€5"].entries())
      session.deliver_sm({
        source_addr_ton: 1,
        source_addr: "254701234567",
        destination_addr: "40404",
        data_coding: 8,
        short_message: { udh: Buffer.from([5, 0, 3, 77, 2, number + 1]), message: text },
      });
    return undefined;
  });
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
process.stdin.on("end", () => process.exit(0)).resume();
