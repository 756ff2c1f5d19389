/** Over HTTP/2, requests name their host otherwise and responses end otherwise; the cache holds the same. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { watchCache } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";

const open: { client: ClientHttp2Session; server: Http2Server }[] = [];

afterEach(() => {
  for (const { client, server } of open.splice(0)) {
    client.destroy();
    server.close();
  }
});

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => unknown;

async function start(handler: Handler) {
  const kit = makeKit({ redis: false });
  const log = watchCache(kit);
  const cached = kit.cache("page");
  const server = createServer((request, response) => {
    cached(request as never, response as never, () => void handler(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connect(`http://127.0.0.1:${port}`);
  open.push({ client, server });
  const ask = async (fields: OutgoingHttpHeaders, body?: string) => {
    const stream = client.request({ ":path": "/", ...fields }, { endStream: body === undefined });
    let headers: IncomingHttpHeaders = {};
    stream.on("response", (received) => (headers = received));
    if (body !== undefined) stream.end(body);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return {
      text: Buffer.concat(chunks).toString(),
      isHit: /; hit/.test(String(headers["cache-status"])),
    };
  };
  return { ask, log };
}

describe("over HTTP/2", () => {
  it("a hit has the body once", async () => {
    const { ask, log } = await start((_request, response) => response.end("once"));
    expect(await ask({})).toEqual({ text: "once", isHit: false });
    await log.settled(1);
    expect(await ask({})).toEqual({ text: "once", isHit: true });
  });

  it("one authority's response is never another's", async () => {
    const { ask, log } = await start((request, response) => response.end(request.authority));
    await ask({ ":authority": "one.test" });
    await log.settled(1);
    expect((await ask({ ":authority": "two.test" })).text).toMatch(/^two\.test/);
  });

  it("a body that announces no length rules the cache out", async () => {
    const { ask, log } = await start(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      response.end(text);
    });
    await ask({ ":method": "GET" }, "first");
    await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length);
    expect((await ask({ ":method": "GET" }, "second")).text).toMatch(/^second/);
  });
});
