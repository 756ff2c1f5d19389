/** The process that `stack-processes.ts` starts: a stack in plain Node, which ends at a rejection that nobody sees. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createKit } from "../../src/index.ts";
import { send } from "./raw.ts";
import { chain } from "./shells.ts";
import type { Asking } from "./stack-processes.ts";

const [, , redis] = process.argv;
const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
const kit = createKit({ redis: redis!, logger: nowhere, secret: "s", deadline: 300 });

const server = createServer(
  chain(
    [
      kit.rateLimit("first", { limit: 1000 }),
      (request, response, next) => {
        const turns = Number(request.headers["x-turns"] ?? 0);
        if (turns === 0) next();
        else later(turns, () => response.end("between"));
      },
      kit.session(),
      kit.rateLimit("second", { limit: 1000 }),
      kit.cache("page", { scope: "public" }),
    ],
    async (request, response) => {
      if (request.method === "POST") await kit.login(request, "7");
      response.end("page");
    },
  ),
);

/** After so many turns of the loop. */
function later(turns: number, work: () => void): void {
  if (turns === 0) work();
  else setImmediate(later, turns - 1, work);
}

server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as { port: number };
const url = `http://127.0.0.1:${port}/`;
await kit.ready();
const { headers: signedIn } = await send(url, { method: "POST" });
const Cookie = signedIn["set-cookie"]![0]!.split(";", 1)[0]!;
for (let times = 0; times < 3; times++) await send(url, { headers: { Cookie } });

async function statusesOf({ turns }: Asking): Promise<number[]> {
  const headers = { Cookie, "X-Turns": String(turns) };
  const replies = await Promise.all(Array.from({ length: 4 }, () => send(url, { headers })));
  return replies.map(({ status }) => status);
}

process.on("message", (asking: Asking) => {
  void statusesOf(asking).then((statuses) => process.send!(statuses));
});
process.on("disconnect", () => process.exit()); // The tests' process is gone.
process.send!("warm");
