/** Every kind of response: its status, header and body are the app's, with the cookie added and the session stored. */
import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import compression from "compression";
import type { Request, Response } from "express";
import type { Middleware } from "express-redis-kit";
import {
  describeMakers,
  type Layout,
  type Options,
  type Reply,
  type Route,
  type Visitor,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };
const FILE = join(process.cwd(), "package.json");
const BIG = Buffer.alloc(300_000, "all work and no play ");

/** A route that changes the session, then answers. */
const changing =
  (answer: (res: Response, req: Request) => unknown): Route =>
  (req, res) => {
    Object.assign(req.session, { n: "1" });
    return answer(res, req);
  };

/** What an app sends, and what must arrive. */
const HEADS: readonly [string, (res: Response) => unknown, Partial<Reply>, object][] = [
  ["writeHead(status)", (res) => res.writeHead(201).end("x"), { status: 201 }, {}],
  [
    "writeHead(status, headers)",
    (res) => res.writeHead(202, { "X-A": "1", "Content-Type": "text/x" }).end("x"),
    { status: 202 },
    { "x-a": "1", "content-type": "text/x" },
  ],
  [
    "writeHead(status, message, headers)",
    (res) => res.writeHead(203, "Rather", { "X-A": "1" }).end("x"),
    { status: 203 },
    { "x-a": "1" },
  ],
  [
    "writeHead(status, array)",
    (res) => res.writeHead(200, ["X-A", "1", "X-B", "2"]).end("x"),
    { status: 200 },
    { "x-a": "1", "x-b": "2" },
  ],
  [
    "writeHead(status, message, array)",
    (res) => res.writeHead(200, "Fine", ["X-A", "1", "X-B", "2"]).end("x"),
    { status: 200 },
    { "x-a": "1", "x-b": "2" },
  ],
  [
    "writeHead over setHeader",
    (res) =>
      res.setHeader("X-A", "1").setHeader("X-B", "2").writeHead(200, { "X-A": "3" }).end("x"),
    { status: 200 },
    { "x-a": "3", "x-b": "2" },
  ],
  [
    "writeHead(status, { Content-Length })",
    (res) => res.writeHead(200, { "Content-Length": 1 }).end("x"),
    { status: 200 },
    { "content-length": "1" },
  ],
  ["flushHeaders()", (res) => (res.flushHeaders(), res.end("x")), { status: 200 }, {}],
  ["status().set()", (res) => res.status(418).set("X-A", "1").end("x"), {}, { "x-a": "1" }],
];

const BODIES: readonly [string, (res: Response) => unknown, number, string | Buffer, object][] = [
  ["json", (res) => res.json({ ä: 1 }), 200, '{"ä":1}', { "content-length": "8" }],
  ["send(text)", (res) => res.send("ä€"), 200, "ä€", { "content-length": "5" }],
  ["send(buffer)", (res) => res.send(BIG), 200, BIG, { "content-length": "300000" }],
  ["send()", (res) => res.send(), 200, "", {}],
  ["sendStatus", (res) => res.sendStatus(404), 404, "Not Found", {}],
  ["redirect", (res) => res.redirect("/x"), 302, "Found. Redirecting to /x", { location: "/x" }],
  ["sendFile", (res) => res.sendFile(FILE), 200, readFileSync(FILE), {}],
];

/** Node's client drops what must not be there, so these are read as bytes. */
const BODYLESS: readonly [string, string, (res: Response, req: Request) => unknown][] = [
  ["HEAD of end(text)", "HEAD", (res) => res.end("text")],
  ["HEAD of a given length", "HEAD", (res) => res.setHeader("Content-Length", 4).end("text")],
  ["HEAD of write and end", "HEAD", (res) => (res.write("te"), res.end("xt"))],
  ["HEAD of json", "HEAD", (res) => res.json({ a: 1 })],
  ["HEAD of end()", "HEAD", (res) => res.end()],
  ["204 of end()", "GET", (res) => res.status(204).end()],
  ["204 of end(text)", "GET", (res) => res.status(204).end("text")],
  ["204 of send", "GET", (res) => res.status(204).send("text")],
  ["304 of end()", "GET", (res) => res.status(304).end()],
  ["304 of end(text)", "GET", (res) => res.status(304).end("text")],
];

/** All bytes that a server sends for one request, as latin1. */
function exchange(url: string, head: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const text = [...head, `Host: ${hostname}`, "Connection: close", "", ""].join("\r\n");
  return new Promise((resolve, reject) => {
    let reply = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => (reply += chunk));
    socket.on("end", () => resolve(reply));
    socket.on("error", reject);
  });
}

/** A response with its trailers and its status message. */
function receive(visitor: Visitor, path: string) {
  return new Promise<{ text: string; trailers: object; message: string }>((resolve, reject) => {
    const outgoing = request(visitor.url + path, { headers: visitor.headers() }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ text, trailers: response.trailers, message: response.statusMessage ?? "" }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

describeMakers("a response", (maker) => {
  /** Of a new session, then of the stored one; both times the session must hold `n`. */
  const both = async (answer: (res: Response) => unknown): Promise<[Reply, Reply]> => {
    const visitor = await maker.start(LAZY, { "/run": changing(answer) });
    const first = await visitor.get("/run");
    expect(first.id).toBeDefined();
    expect(await visitor.see()).toEqual({ id: first.id, data: { n: "1" } });
    await visitor.get("/set?n=2");
    const second = await visitor.get("/run");
    expect(second.line).toBeUndefined();
    expect((await visitor.see()).data).toEqual({ n: "1" });
    return [first, second];
  };

  it.each(HEADS)("of %s", async (_title, answer, expected, headers) => {
    for (const reply of await both(answer)) {
      expect(reply).toMatchObject(expected);
      expect(reply.headers).toMatchObject(headers);
      expect(reply.text).toBe("x");
    }
  });

  it.each(BODIES)("of %s", async (_title, answer, status, body, headers) => {
    for (const reply of await both(answer)) {
      expect(reply.status).toBe(status);
      expect(reply.headers).toMatchObject(headers);
      expect(reply.body.equals(Buffer.from(body))).toBe(true);
    }
  });

  it.each(BODYLESS)("without a body: %s", async (_title, method, answer) => {
    const visitor = await maker.start(LAZY, { "/run": changing(answer) });
    const bytes = await exchange(visitor.url, [`${method} /run HTTP/1.1`]);
    expect(bytes).toMatch(/^HTTP\/1.1 (200|204|304) /);
    expect(bytes.slice(bytes.indexOf("\r\n\r\n") + 4)).toBe("");
    const cookie = /set-cookie: ([^;]+);/i.exec(bytes)?.[1];
    expect((await visitor.other(cookie).see()).data).toEqual({ n: "1" });
  });

  it("to HTTP/1.0 ends with the connection", async () => {
    const visitor = await maker.start(LAZY, {
      "/run": changing((res) => (res.write("te"), res.end("xt"))),
    });
    const bytes = await exchange(visitor.url, ["GET /run HTTP/1.0"]);
    expect(bytes.slice(bytes.indexOf("\r\n\r\n") + 4)).toBe("text");
  });

  it("keeps its status message and its trailers", async () => {
    const visitor = await maker.start(LAZY, {
      "/run": changing((res) => {
        res.writeHead(200, "Quite Fine", { Trailer: "X-Sum" });
        res.write("te");
        res.addTrailers({ "X-Sum": "4" });
        res.end("xt");
      }),
    });
    const { text, trailers, message } = await receive(visitor, "/run");
    expect([text, trailers, message]).toEqual(["text", { "x-sum": "4" }, "Quite Fine"]);
  });

  it("is 304 for what the client has, and a part of a file for a range", async () => {
    const visitor = await maker.start(LAZY, {
      "/text": changing((res) => res.send("text")),
      "/file": changing((res) => res.sendFile(FILE)),
    });
    const { headers } = await visitor.get("/text");
    const again = await visitor.get("/text", {
      headers: { "If-None-Match": String(headers["etag"]) },
    });
    expect([again.status, again.text]).toEqual([304, ""]);
    const part = await visitor.get("/file", { headers: { Range: "bytes=2-9" } });
    expect([part.status, part.text]).toEqual([206, readFileSync(FILE, "utf8").slice(2, 10)]);
  });

  describe.each(["before", "after"] as const)("compressed, with compression %s", (where) => {
    const compress = compression({ threshold: 0 }) as unknown as Middleware;
    const layout: Layout = { [where]: [compress] };
    const answers: readonly [string, (res: Response) => unknown, Buffer][] = [
      ["send", (res) => res.type("text").send(BIG.toString()), BIG],
      ["end", (res) => res.type("text").end(BIG), BIG],
      [
        "write, flush, end",
        (res) => {
          res.type("text").write("one ");
          (res as unknown as { flush(): void }).flush();
          res.end("two");
        },
        Buffer.from("one two"),
      ],
      ["sendFile", (res) => res.sendFile(FILE), readFileSync(FILE)],
      ["empty end", (res) => res.type("text").end(), Buffer.alloc(0)],
    ];

    it.each(answers)("%s", async (_title, answer, expected) => {
      const visitor = await maker.start(LAZY, { "/run": changing(answer) }, layout);
      for (const n of [1, 2]) {
        const reply = await visitor.get("/run", { headers: { "Accept-Encoding": "gzip" } });
        expect(reply.headers["content-encoding"]).toBe("gzip");
        const body = await promisify(gunzip)(reply.body);
        expect(body.equals(expected)).toBe(true);
        expect(reply.line !== undefined).toBe(n === 1);
        expect((await visitor.see()).data).toEqual({ n: "1" });
        await visitor.get("/set?n=2");
      }
    });
  });
});
