/** Responses that take a while: their bytes, their end after the save, and clients that leave. */
import { describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import { until } from "../../support/redis-server.ts";
import {
  describeMakers,
  type Options,
  type Route,
  type Visitor,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

/** 8 MB, more than the buffers of a socket's two ends hold, and no two parts alike. */
const CHUNKS = Array.from({ length: 128 }, (_, index) => Buffer.alloc(65_536, `${index} `));
const sha1 = (chunks: readonly Buffer[]): string => {
  const hash = createHash("sha1");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};
const SUM = sha1(CHUNKS);

async function writeAll(res: Response): Promise<void> {
  for (const chunk of CHUNKS) {
    if (!res.write(chunk)) await once(res, "drain");
  }
  res.end();
}

const STREAMS: readonly [string, (res: Response) => unknown][] = [
  ["write and drain", writeAll],
  ["write without waiting", (res) => (CHUNKS.forEach((chunk) => void res.write(chunk)), res.end())],
  ["pipe", (res) => Readable.from(CHUNKS).pipe(res)],
  ["pipeline", async (res) => await pipeline(Readable.from(CHUNKS), res)],
  ["pipe through another stream", (res) => Readable.from(CHUNKS).pipe(new PassThrough()).pipe(res)],
  ["one end", (res) => res.end(Buffer.concat(CHUNKS))],
];

/** A request whose response is read when the test says so. */
async function begin(visitor: Visitor, path: string): Promise<[ClientRequest, IncomingMessage]> {
  const outgoing = request(visitor.url + path, { headers: visitor.headers(), agent: false });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return [outgoing, response];
}

async function readAll(response: IncomingMessage): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return chunks;
}

const changing =
  (answer: (res: Response) => unknown): Route =>
  (req, res) => {
    Object.assign(req.session, { n: "2" });
    return answer(res);
  };

describeMakers("a long response", (maker) => {
  describe.each([
    ["new", false],
    ["stored", true],
  ])("of a %s session", (_title, isStored) => {
    it.each(STREAMS)("by %s", async (name, answer) => {
      const length = String(CHUNKS.length * 65_536);
      for (const isMeasured of [false, true]) {
        const visitor = await maker.start(LAZY, {
          "/run": changing((res) => {
            if (isMeasured) res.setHeader("Content-Length", length);
            return answer(res);
          }),
        });
        if (isStored) await visitor.get("/set?n=1");
        const reply = await visitor.get("/run");
        expect(sha1([reply.body])).toBe(SUM);
        // express-session splits what it ends, so that Node cannot measure it.
        const isWhole = maker.isKit && name === "one end";
        expect(reply.headers["content-length"]).toBe(isMeasured || isWhole ? length : undefined);
        expect((await visitor.see()).data).toEqual({ n: "2" });
      }
    });

    it("waits for a client that does not read", async () => {
      let isFull = false;
      const visitor = await maker.start(LAZY, {
        "/run": changing(async (res) => {
          for (const chunk of CHUNKS) {
            if (res.write(chunk)) continue;
            isFull = true;
            await once(res, "drain");
          }
          res.end();
        }),
      });
      if (isStored) await visitor.get("/set?n=1");
      const [, response] = await begin(visitor, "/run");
      await until(() => isFull, "the server waits for the client");
      expect(sha1(await readAll(response))).toBe(SUM);
    });
  });

  it("arrives in the pieces in which it is written", async () => {
    const steps = new PassThrough();
    const visitor = await maker.start(LAZY, {
      "/run": changing(async (res) => {
        res.flushHeaders();
        for await (const piece of steps) res.write(piece);
        res.end("end");
      }),
    });
    const [, response] = await begin(visitor, "/run");
    for (const piece of ["one", "two", "three"]) {
      steps.write(piece);
      const [chunk] = (await once(response, "data")) as [Buffer];
      expect(chunk.toString()).toBe(piece);
    }
    steps.end();
    expect(String((await once(response, "data"))[0])).toBe("end");
  });

  it("holds what the session became while it was sent", async () => {
    const visitor = await maker.start(LAZY, {
      "/run": (req, res) => {
        res.write("text");
        Object.assign(req.session, { later: 1 });
        res.end();
      },
    });
    await visitor.get("/set?n=1");
    await visitor.get("/run");
    expect((await visitor.see()).data).toEqual({ n: "1", later: 1 });
  });
});

describeMakers("the end of a response", (maker) => {
  const ENDS: readonly [string, (res: Response) => unknown][] = [
    ["end()", (res) => res.end()],
    ["end(text)", (res) => res.end("text")],
    ["json", (res) => res.json({ a: 1 })],
    ["a redirect", (res) => res.redirect("/see")],
    ["write, end", (res) => (res.write("te"), res.end("xt"))],
    ["writeHead, end", (res) => res.writeHead(200, { "Content-Length": 4 }).end("text")],
    ["a pipe", (res) => Readable.from(["te", "xt"]).pipe(res)],
    ["204", (res) => res.sendStatus(204)],
  ];

  it.each(ENDS)("comes after the save: %s", async (_title, answer) => {
    const { client } = maker.server();
    for (const isStored of [false, true]) {
      let isAnswered = false;
      const visitor = await maker.start(LAZY, {
        "/run": changing((res) => {
          answer(res);
          isAnswered = true;
        }),
      });
      if (isStored) await visitor.get("/set?n=1");
      const order: string[] = [];
      await client.client("PAUSE", 10_000, "WRITE");
      const reply = visitor.get("/run").then((got) => {
        order.push("the end");
        return got;
      });
      await until(() => isAnswered, "the app has answered");
      // An end that did not wait would overtake these.
      for (let turn = 0; turn < 10; turn += 1) await visitor.other().get("/see");
      order.push("the save may go on");
      await client.client("UNPAUSE");
      await reply;
      expect(order).toEqual(["the save may go on", "the end"]);
      expect((await visitor.see()).data).toEqual({ n: "2" });
    }
  });

  it.each(["end", "destroy"] as const)("of an aborted request, by %s", async (how) => {
    let isClosed = false;
    const visitor = await maker.start(LAZY, {
      "/run": changing(async (res) => {
        res.write("text");
        await once(res, "close");
        if (how === "end") res.end("more");
        else res.destroy();
        isClosed = true;
      }),
    });
    const { id } = await visitor.get("/set?n=1");
    const [outgoing, response] = await begin(visitor, "/run");
    response.on("error", () => {});
    outgoing.destroy();
    await until(() => isClosed, "the server knows that the client has left");
    // An answer that is ended is saved, whoever reads it; one that is torn down may have been, or not.
    const stored = how === "end" ? ["2"] : ["1", "2"];
    await until(
      async () => stored.includes(String((await maker.stored(id!))?.["n"])),
      "the session is stored",
    );
    expect((await visitor.see()).id).toBe(id);
  });

  it("of a request that is aborted before the answer begins", async () => {
    let isClosed = false;
    let isReached = false;
    const visitor = await maker.start(LAZY, {
      "/run": changing(async (res) => {
        isReached = true;
        await once(res, "close");
        res.json("late");
        isClosed = true;
      }),
    });
    const { id } = await visitor.get("/set?n=1");
    const outgoing = request(`${visitor.url}/run`, { headers: visitor.headers(), agent: false });
    outgoing.on("error", () => {});
    outgoing.end();
    await until(() => isReached, "the request has arrived");
    outgoing.destroy();
    await until(() => isClosed, "the server knows that the client has left");
    await until(async () => (await maker.stored(id!))?.["n"] === "2", "it is stored");
    expect((await visitor.see()).data).toEqual({ n: "2" });
  });
});
