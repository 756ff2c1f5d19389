/** Responses of all shapes: however a handler answers, the cache must not change a byte. */
import type { ServerResponse } from "node:http";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runInNewContext } from "node:vm";
import { brotliCompressSync, createGzip, gzipSync } from "node:zlib";
import compression from "compression";
import cors from "cors";
import type { RequestHandler } from "express";
import type { Middleware } from "express-redis-kit";
import type { Handler } from "./shells.ts";

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
/** As long as may be stored. */
const MEBI = Buffer.alloc(1024 * 1024, "0123456789\n");
const LONG = "compressible ".repeat(2000);

const ZIPPED = gzipSync(LONG);

const folder = mkdtempSync(join(tmpdir(), "kit-cache-"));
const file = join(folder, "file.txt");
writeFileSync(file, LONG);
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

/** One way to answer. */
export interface Shape {
  readonly answer: Handler;
  /** Middlewares before and after the cache. */
  readonly before?: readonly Middleware[];
  readonly after?: readonly Middleware[];
  /** Request fields that it is asked with. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The cache passes it on, and stores nothing. */
  readonly isRefused?: true;
}

function later(response: ServerResponse, pieces: readonly unknown[]): void {
  const [piece, ...rest] = pieces;
  if (piece === undefined) {
    response.end();
    return;
  }
  response.write(piece);
  setImmediate(() => later(response, rest));
}

function chunks(buffer: Buffer, size: number): Buffer[] {
  const count = Math.ceil(buffer.length / size);
  return Array.from({ length: count }, (_, index) =>
    buffer.subarray(index * size, (index + 1) * size),
  );
}

const ANSWERS: Record<string, Handler> = {
  "end(text)": (_q, r) => r.end("héllo ✓ \u{1F600}"),
  "end(text, encoding)": (_q, r) => r.end("h\u00e9llo", "latin1"),
  "end(hex)": (_q, r) => r.end("00ff10", "hex"),
  "end(base64)": (_q, r) => r.end("AP8Q", "base64"),
  "end(utf16le)": (_q, r) => r.end("añ", "utf16le"),
  "end(Buffer)": (_q, r) => r.end(BINARY),
  "end(Uint8Array)": (_q, r) => r.end(new Uint8Array(BINARY)),
  "end(a view into a larger buffer)": (_q, r) => r.end(BINARY.subarray(100, 200)),
  "end()": (_q, r) => r.end(),
  'end("")': (_q, r) => r.end(""),
  "end(callback)": (_q, r) => r.end(() => {}),
  "write, end": (_q, r) => (r.write("a"), r.end()),
  "write, end(text)": (_q, r) => (r.write("a"), r.end("b")),
  "write with encodings": (_q, r) => {
    r.write("h\u00e9", "latin1");
    r.write("00ff", "hex", () => {});
    r.write("\u2713");
    r.write("AP8Q", "base64");
    r.end("ab", "utf16le", () => {});
  },
  "write(callback)": (_q, r) => (r.write("a", () => {}), r.end("b", () => {})),
  "write of a buffer that is filled again": (_q, r) => {
    const reused = Buffer.alloc(4, "a");
    r.write(reused, () => {
      reused.fill("b");
      r.end(reused);
    });
  },
  "pieces over many ticks": (_q, r) => later(r, ["a", BINARY, "é", new Uint8Array([1, 2]), "z"]),
  "a character cut in two": (_q, r) => later(r, [Buffer.from([0xe2, 0x9c]), Buffer.from([0x93])]),
  "flushHeaders first": (_q, r) => (r.flushHeaders(), r.end("late")),
  "writeHead with an array": (_q, r) => r.writeHead(200, ["X-A", "1", "X-B", "2"]).end("x"),
  "writeHead with a reason": (_q, r) => r.writeHead(203, "Fine", { "X-A": ["1", "2"] }).end("x"),
  "a stream": (_q, r) => Readable.from(["a", "b", BINARY]).pipe(r),
  "a file": (_q, r) => createReadStream(file, { highWaterMark: 777 }).pipe(r),
  "a pipeline": (_q, r) =>
    pipeline(
      createReadStream(file),
      new Transform({ transform: (chunk, _e, done) => done(null, String(chunk).toUpperCase()) }),
      r,
    ),
  "binary with Content-Length": (_q, r) => (r.setHeader("Content-Length", 256), r.end(BINARY)),
  "1 MiB less a byte": (_q, r) => r.end(MEBI.subarray(1)),
  "1 MiB": (_q, r) => r.end(MEBI),
  "1 MiB, in pieces": (_q, r) => Readable.from(chunks(MEBI, 60_000)).pipe(r),
  "bytes of another realm": (_q, r) => {
    r.write(runInNewContext("new Uint8Array([1, 2, 3])") as Uint8Array);
    r.end(runInNewContext("new Uint8Array([4, 5])") as Uint8Array);
  },
  "line ends and braces": (_q, r) => r.end('{"status":200}\n\n\r\n{"token":"x"}\n'),
  "end twice": (_q, r) => (r.end("once"), r.end()),
  "cork, uncork": (_q, r) => {
    r.cork();
    r.write("a");
    r.write(BINARY);
    r.uncork();
    r.end("z");
  },
  "fields of all kinds": (_q, r) => {
    r.setHeader("X-List", ["1", "2"]);
    r.setHeader("X-Number", 7);
    r.appendHeader("X-Added", "a");
    r.appendHeader("X-Added", "b");
    r.setHeader("Link", ["</a>; rel=next", '</b>; rel="x, y"']);
    r.setHeader("ETag", '"own"');
    r.setHeader("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT");
    r.setHeader("Content-Disposition", "inline; filename*=UTF-8''%C3%A9.txt");
    r.end("x");
  },
  "a moved page": (_q, r) => r.writeHead(308, { Location: "/y" }).end("moved"),
};

const zip = compression({ threshold: 0 }) as unknown as Middleware;
const reflect = cors({ origin: true, credentials: true }) as unknown as Middleware;
const anybody = cors() as unknown as Middleware;
const gzip = { "Accept-Encoding": "gzip" };
const origin = { Origin: "https://a.test" };

const longText: Handler = (_q, r) => {
  r.setHeader("Content-Type", "text/plain");
  r.end(LONG);
};
const longPieces: Handler = (_q, r) => {
  r.setHeader("Content-Type", "text/plain");
  later(r, [LONG, BINARY, LONG]);
};

/** What is passed on untouched each time. */
const REFUSED: Record<string, Handler> = {
  "gzip by the handler": (_q, r) => {
    r.setHeader("Content-Encoding", "gzip");
    r.end(ZIPPED);
  },
  "gzip by the handler, as a stream": (_q, r) => {
    r.setHeader("Content-Encoding", "gzip");
    Readable.from([LONG]).pipe(createGzip()).pipe(r);
  },
  "brotli by the handler": (_q, r) => {
    r.writeHead(200, { "Content-Encoding": "br" });
    r.end(brotliCompressSync(LONG));
  },
  "a byte over the limit": (_q, r) => r.end(Buffer.concat([MEBI, Buffer.from("x")])),
  "over the limit, in pieces": (_q, r) => Readable.from([...chunks(MEBI, 99_999), "x"]).pipe(r),
  "a cookie": (_q, r) => (r.setHeader("Set-Cookie", ["a=1", "b=2"]), r.end("x")),
  "a part": (_q, r) => r.writeHead(206, { "Content-Range": "bytes 0-0/2" }).end("x"),
  "nothing to say": (_q, r) => r.writeHead(204).end(),
  "a field of no ASCII": (_q, r) => r.writeHead(200, { "X-Name": "\u00e9" }).end("x"),
  "an error of its own": (_q, r) => r.writeHead(500, { "X-A": "1" }).end("sorry"),
};

/** Those that need nothing but node:http. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  ...Object.fromEntries(Object.entries(ANSWERS).map(([name, answer]) => [name, { answer }])),
  ...Object.fromEntries(
    Object.entries(REFUSED).map(([name, answer]) => [name, { answer, isRefused: true as const }]),
  ),
  "compression before the cache": { answer: longText, before: [zip], headers: gzip },
  "compression before the cache, in pieces": { answer: longPieces, before: [zip], headers: gzip },
  "compression after the cache": { answer: longText, after: [zip] },
  "compression after the cache, in pieces": { answer: longPieces, after: [zip] },
  "cors before the cache": { answer: longText, before: [reflect], headers: origin },
  "cors after the cache, for anybody": { answer: longText, after: [anybody], headers: origin },
};

/** Those of Express. */
export const EXPRESS_SHAPES: Readonly<Record<string, RequestHandler>> = {
  json: (_q, r) => void r.json({ a: [1, "é"], b: null }),
  "json(null)": (_q, r) => void r.json(null),
  "json of a string": (_q, r) => void r.json("x"),
  "send(text)": (_q, r) => void r.send("<p>é</p>"),
  "send(Buffer)": (_q, r) => void r.send(BINARY),
  'send("")': (_q, r) => void r.send(""),
  "type, send": (_q, r) => void r.type("text/csv").send("a,b\r\n1,2"),
  "a redirect for good": (_q, r) => r.redirect(301, "/élsewhere?a=1"),
  sendFile: (_q, r) => r.sendFile(file),
  "status(203).json": (_q, r) => void r.status(203).json({}),
};
