// Drives the gateway's own TypeScript client; its words go in, one JSON object on standard output comes out.
// Arguments: the package's module, base URL, login, password, webhook URL.
import { pathToFileURL } from 'node:url';

const [module, base, login, password, hook] = process.argv.slice(2);
const { default: Client } = await import(pathToFileURL(module));

async function ask(method, url, headers, body) {
  const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  if (response.status === 204) return null;
  const isJson = response.headers.get('Content-Type')?.includes('application/json');
  return isJson ? response.json() : response.text();
}

const http = {
  get: (url, headers) => ask('GET', url, headers),
  delete: (url, headers) => ask('DELETE', url, headers),
  post: (url, body, headers) => ask('POST', url, headers, body),
  put: (url, body, headers) => ask('PUT', url, headers, body),
  patch: (url, body, headers) => ask('PATCH', url, headers, body),
};
const client = new Client(login, password, http, base);
const headers = { Authorization: `Basic ${btoa(`${login}:${password}`)}`, 'Content-Type': 'application/json' };

const webhook = await client.registerWebhook({ url: hook, event: 'sms:delivered' });
const sent = await client.send({ message: 'Hello', phoneNumbers: ['+254712345678'], withDeliveryReport: true });
let state = sent;
for (let tries = 0; state.state !== 'Delivered' && tries < 300; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  state = await client.getState(sent.id);
}
const later = await client.send({
  message: 'Later', phoneNumbers: ['+254712345679'], scheduleAt: new Date(Date.now() + 3_600_000).toISOString(),
});
// The client has no call for these two, its HTTP client has.
const list = await http.get(`${base}/messages?skip=0&limit=20`, headers);
const cancelled = await http.delete(`${base}/messages/${later.id}`, headers);

console.log(JSON.stringify({
  webhook, sent, state, list, cancelled,
  webhooks: await client.getWebhooks(),
  devices: await client.getDevices(),
  health: await client.getHealth(),
}));
