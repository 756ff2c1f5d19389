/** The process that `cache-processes.ts` starts: handlers that are held, and a resource that is read and written. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import express from "express";
import { Redis } from "ioredis";
import { createKit } from "../../src/index.ts";
import type { CacheNews, CacheOrder, CacheSetup } from "./cache-processes.ts";
import { respond } from "./write-responses.ts";

const { redis, options = {}, wrap: wrapOptions = {} } = JSON.parse(process.argv[2]!) as CacheSetup;
const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
const kit = createKit({ redis, logger: nowhere, deadline: "20s", connectDeadline: "20s" });
/** What the cache stands in front of: data that all processes share. */
const data = new Redis({ path: redis.replace("unix://", "") });

const tell = (news: CacheNews): void => void process.send!(news);
let [arrived, called] = [0, 0];
const held: ((order: { answer: string; fields: Record<string, string> }) => void)[] = [];
let standing: { answer: string; fields: Record<string, string> } | undefined;

/** Waits until the test says what is answered. */
function hold(): Promise<{ answer: string; fields: Record<string, string> }> {
  called += 1;
  tell({ called });
  return standing ? Promise.resolve(standing) : new Promise((resolve) => void held.push(resolve));
}

async function wrap(count: number): Promise<void> {
  const loader = async (): Promise<{ text: string }> => ({ text: (await hold()).answer });
  const calls = Array.from({ length: count }, () => kit.cache.wrap("report", loader, wrapOptions));
  tell({ wrapped: await Promise.all(calls) });
}

process.on("warning", ({ message }) => tell({ warned: message }));

const app = express();
app.use((_req, _res, next) => {
  arrived += 1;
  tell({ arrived });
  next();
});
app.get("/held/:id", kit.cache("held", options), async (_req, res) => {
  const { answer, fields } = await hold();
  res.set(fields).send(answer);
});
app.get("/data/:id", kit.cache("data", options), async (req, res) => {
  res.send((await data.get(`data:${req.params.id}`)) ?? "0");
});
app.put("/data/:id", kit.cache.purges("data"), async (req, res) => {
  const { value, how } = req.query as Record<string, string>;
  await data.set(`data:${req.params.id}`, value!);
  await respond(res as ServerResponse, how!);
});

process.on("message", (order: CacheOrder) => {
  if ("purge" in order) {
    void kit.cache.purge("held", { id: order.purge }).then((purged) => tell({ purged }));
  } else if ("wrap" in order) void wrap(order.wrap);
  else {
    standing = order;
    for (const answer of held.splice(0)) answer(order);
  }
});
process.on("disconnect", () => process.exit()); // The tests' process is gone.

const server = createServer(app as Parameters<typeof createServer>[1]);
server.listen(0, "127.0.0.1");
await once(server, "listening");
await kit.ready();
process.send!((server.address() as { port: number }).port);
