/** Every way to write and end a response: a client reads exactly what was written, and the session is stored. */
import { describe, expect, it } from "@jest/globals";
import type { ServerResponse } from "node:http";
import type { Response } from "express";
import { describeMakers, type Options, type Route } from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

/** Node's own overloads, and what JavaScript lets through beside them. */
type Loose = Record<"write" | "end", (...args: unknown[]) => unknown>;

const BYTES = Buffer.from([0, 1, 127, 128, 254, 255]);
const TEXT = "ä€😀 text";
const LATIN = "\u00e4\u00ff";
const BIG = Buffer.alloc(150_000, "0123456789");

/** What is called in turn, and what the client reads. */
type Program = readonly [string, readonly (readonly ["write" | "end", ...unknown[]])[], Buffer];

const PROGRAMS: readonly Program[] = [
  ["end()", [["end"]], Buffer.alloc(0)],
  ["end(null)", [["end", null]], Buffer.alloc(0)],
  ["end(undefined)", [["end", undefined]], Buffer.alloc(0)],
  ["end('')", [["end", ""]], Buffer.alloc(0)],
  ["end(empty buffer)", [["end", Buffer.alloc(0)]], Buffer.alloc(0)],
  ["end(text)", [["end", TEXT]], Buffer.from(TEXT)],
  ["end(one character)", [["end", "x"]], Buffer.from("x")],
  ["end(text, utf8)", [["end", TEXT, "utf8"]], Buffer.from(TEXT)],
  ["end(text, latin1)", [["end", LATIN, "latin1"]], Buffer.from(LATIN, "latin1")],
  ["end(text, hex)", [["end", "00ff80", "hex"]], Buffer.from("00ff80", "hex")],
  ["end(text, base64)", [["end", "AP+A", "base64"]], Buffer.from("AP+A", "base64")],
  ["end(text, utf16le)", [["end", TEXT, "utf16le"]], Buffer.from(TEXT, "utf16le")],
  ["end(buffer)", [["end", BYTES]], BYTES],
  ["end(Uint8Array)", [["end", new Uint8Array(BYTES)]], BYTES],
  [
    "end(part of a Uint8Array)",
    [["end", new Uint8Array(BYTES).subarray(1, 4)]],
    BYTES.subarray(1, 4),
  ],
  ["end(big text)", [["end", BIG.toString()]], BIG],
  ["end(big buffer)", [["end", BIG]], BIG],
  [
    "end(text), end(text)",
    [
      ["end", "one"],
      ["end", "two"],
    ],
    Buffer.from("one"),
  ],
  ["end(), end(text)", [["end"], ["end", "two"]], Buffer.alloc(0)],
  ["write(text), end()", [["write", TEXT], ["end"]], Buffer.from(TEXT)],
  [
    "write(text), end(text)",
    [
      ["write", "a"],
      ["end", "b"],
    ],
    Buffer.from("ab"),
  ],
  [
    "write(text, hex), end(text, hex)",
    [
      ["write", "ff", "hex"],
      ["end", "00", "hex"],
    ],
    Buffer.from("ff00", "hex"),
  ],
  [
    "write(text, latin1), end()",
    [["write", LATIN, "latin1"], ["end"]],
    Buffer.from(LATIN, "latin1"),
  ],
  [
    "write(buffer), end(buffer)",
    [
      ["write", BYTES],
      ["end", BYTES],
    ],
    Buffer.concat([BYTES, BYTES]),
  ],
  ["write(Uint8Array), end()", [["write", new Uint8Array(BYTES)], ["end"]], BYTES],
  ["write(''), write(text), end()", [["write", ""], ["write", "a"], ["end"]], Buffer.from("a")],
  [
    "write(empty), end(empty)",
    [
      ["write", Buffer.alloc(0)],
      ["end", ""],
    ],
    Buffer.alloc(0),
  ],
  [
    "write(big), write(big), end(big)",
    [
      ["write", BIG],
      ["write", BIG],
      ["end", BIG],
    ],
    Buffer.concat([BIG, BIG, BIG]),
  ],
];

/** Where a callback stands. Node calls each of them. */
const CALLBACKS: readonly (readonly [
  string,
  (res: Loose, called: () => void) => unknown,
  string,
])[] = [
  ["write(text, callback)", (res, called) => (res.write("a", called), res.end("b")), "ab"],
  [
    "write(text, encoding, callback)",
    (res, called) => (res.write("a", "utf8", called), res.end()),
    "a",
  ],
  [
    "write(buffer, callback)",
    (res, called) => (res.write(Buffer.from("a"), called), res.end()),
    "a",
  ],
  [
    "write(text, undefined, callback)",
    (res, called) => (res.write("a", undefined, called), res.end()),
    "a",
  ],
  ["end(callback)", (res, called) => res.end(called), ""],
  ["end(text, callback)", (res, called) => res.end("a", called), "a"],
  ["end(buffer, callback)", (res, called) => res.end(Buffer.from("a"), called), "a"],
  ["end(text, encoding, callback)", (res, called) => res.end("61", "hex", called), "a"],
  ["end(null, null, callback)", (res, called) => res.end(null, null, called), ""],
  ["write(text), end(callback)", (res, called) => (res.write("a"), res.end(called)), "a"],
];

/** What happened to the session before the response, and the data that is stored after it. */
const SESSIONS: readonly [string, string, (req: Parameters<Route>[0]) => void, object][] = [
  ["a new one", "", (req) => Object.assign(req.session, { n: 2 }), { n: 2 }],
  ["a changed one", "/set?m=1", (req) => Object.assign(req.session, { n: 2 }), { m: "1", n: 2 }],
  ["one left alone", "/set?m=1", () => {}, { m: "1" }],
  ["an empty one", "", () => {}, {}],
  ["an unset one", "/set?m=1", (req) => Object.assign(req, { session: null }), { m: "1" }],
];

const loose = (res: Response | ServerResponse) => res as unknown as Loose;

describeMakers("the end of a response", (maker) => {
  describe.each(SESSIONS)("with %s", (_title, first, prepare, stored) => {
    const run = async (answer: Route) => {
      const visitor = await maker.start(LAZY, {
        "/run": (req, res, next) => {
          prepare(req);
          return answer(req, res, next);
        },
      });
      if (first !== "") await visitor.get(first);
      const reply = await visitor.get("/run");
      expect((await visitor.see()).data).toEqual(stored);
      return reply;
    };

    it.each(PROGRAMS)("%s", async (_name, calls, expected) => {
      for (const length of [undefined, expected.length]) {
        const { status, body, headers } = await run((_req, res) => {
          if (length !== undefined) res.setHeader("Content-Length", length);
          for (const [method, ...args] of calls) loose(res)[method](...args);
        });
        expect(status).toBe(200);
        expect(body.equals(expected)).toBe(true);
        if (length !== undefined) expect(headers["content-length"]).toBe(String(length));
      }
    });

    it("write(text) after end(text) harms nothing", async () => {
      const { status, text } = await run((_req, res) => {
        // node:http reports it there; express-session lets it through while it saves.
        res.on("error", () => {});
        res.end("end");
        res.write(" after");
      });
      expect([status, text.slice(0, 3)]).toEqual([200, "end"]);
    });

    it("tells the app: headersSent, writableEnded, 'finish'", async () => {
      let finished: unknown;
      await run((_req, res) => {
        finished = new Promise((resolve) => {
          res.on("finish", () => resolve([res.headersSent, res.writableEnded]));
        });
        res.end("text");
      });
      expect(await finished).toEqual([true, true]);
    });
  });

  describe("with callbacks", () => {
    it.each(CALLBACKS)("%s", async (name, call, expected) => {
      let count = 0;
      const visitor = await maker.start(LAZY, {
        "/save": (req, res) => {
          Object.assign(req.session, { n: 1 });
          call(loose(res), () => (count += 1));
        },
      });
      // express-session knows end(chunk, encoding) alone: a third argument is lost, and a function is no chunk.
      if (!maker.isKit && name.endsWith("end(callback)")) {
        await expect(visitor.get("/save")).rejects.toThrow("socket hang up");
        return;
      }
      const { status, text } = await visitor.get("/save");
      expect([status, text]).toEqual([200, expected]);
      expect((await visitor.see()).data).toEqual({ n: 1 });
      expect(count).toBe(!maker.isKit && /end\(.*, .*, callback\)/.test(name) ? 0 : 1);
    });
  });
});
