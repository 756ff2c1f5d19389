/** A process of its own, for its time zone: whether responses with these fields are reused, as JSON. */
import { createServer } from "node:http";
import { once } from "node:events";
import { createKit } from "express-redis-kit";
import { send } from "./raw.ts";

const headers = JSON.parse(process.argv[2]!) as Record<string, string>[];

async function isReused(fields: Record<string, string>): Promise<boolean> {
  const kit = createKit({ redis: false });
  const cache = kit.cache("page", { ttl: "origin" });
  let calls = 0;
  const server = createServer((request, response) => {
    cache(request, response, () => {
      calls++;
      response.writeHead(200, fields).end("x");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await send(`http://127.0.0.1:${port}/`);
  await send(`http://127.0.0.1:${port}/`);
  server.close();
  await kit.close();
  return calls === 1;
}

const results: boolean[] = [];
for (const fields of headers) results.push(await isReused(fields));
process.stdout.write(JSON.stringify({ offset: new Date().getTimezoneOffset(), results }));
