import { describe, expect, it } from "@jest/globals";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runInNewContext } from "node:vm";
import { gunzipSync } from "node:zlib";
import compression from "compression";
import type { RequestHandler, Response } from "express";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { chain, EXPRESSES, type Handler } from "../support/shells.ts";

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const MEBI = Buffer.alloc(1024 * 1024 - 1, "0123456789\n");
const LONG = "compressible ".repeat(2000);

const folder = mkdtempSync(join(tmpdir(), "kit-cache-"));
const file = join(folder, "file.txt");
writeFileSync(file, LONG);
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const later = (response: Response | Parameters<Handler>[1], pieces: unknown[]) => {
  const [piece, ...rest] = pieces;
  if (piece === undefined) return response.end();
  response.write(piece);
  return setImmediate(() => later(response, rest));
};

/** Bodies that need nothing but node:http. */
const PLAIN: Record<string, Handler> = {
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
  "1 MiB less a byte": (_q, r) => r.end(MEBI),
  "1 MiB less a byte, in pieces": (_q, r) => Readable.from(chunks(MEBI, 60_000)).pipe(r),
  "bytes of another realm": (_q, r) => {
    r.write(runInNewContext("new Uint8Array([1, 2, 3])") as Uint8Array);
    r.end(runInNewContext("new Uint8Array([4, 5])") as Uint8Array);
  },
  "line ends and braces": (_q, r) => r.end('{"status":200}\n\n\r\n{"token":"x"}\n'),
  "end twice": (_q, r) => (r.end("once"), r.end()),
};

const EXPRESS: Record<string, RequestHandler> = {
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

function chunks(buffer: Buffer, size: number): Buffer[] {
  const count = Math.ceil(buffer.length / size);
  return Array.from({ length: count }, (_, index) =>
    buffer.subarray(index * size, (index + 1) * size),
  );
}

/** What a client can tell from a reply, but for what may differ between a miss and a hit. */
function essence({ status, headers, body }: RawReply) {
  const {
    date: _date,
    age: _age,
    etag: _etag,
    "cache-status": _status,
    "content-length": _length,
    "transfer-encoding": _coding,
    ...rest
  } = headers;
  return { status, rest, body: body.toString("base64") };
}

/** A bare reply, a miss and a hit of one handler, all of which must be the same. */
async function compare(
  bare: Parameters<typeof serve>[0],
  cached: Parameters<typeof serve>[0],
  log: ReturnType<typeof watchCache>,
  headers: Record<string, string> = {},
) {
  const [bareUrl, url] = [await serve(bare), await serve(cached)];
  const expected = await send(bareUrl, { headers });
  const miss = await send(url, { headers });
  await log.settled(1);
  const hit = await send(url, { headers });
  expect(hit.headers["cache-status"]).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
  expect(hit.headers["cache-status"]).not.toBe(miss.headers["cache-status"]);
  expect(essence(miss)).toEqual(essence(expected));
  expect(essence(hit)).toEqual(essence(expected));
  return { expected, miss, hit };
}

describeBackends("bodies under node:http", (backend) => {
  it.each(Object.entries(PLAIN))("%s", async (_name, handler) => {
    const kit = makeKit(backend.options());
    const { hit } = await compare(
      chain([], handler),
      chain([kit.cache("x")], handler),
      watchCache(kit),
    );
    expect(hit.headers["content-length"]).toBe(String(hit.body.length));
  });
});

describe.each(EXPRESSES)("under $name", ({ express }) => {
  describeBackends("bodies", (backend) => {
    it.each(Object.entries({ ...EXPRESS, ...(PLAIN as Record<string, RequestHandler>) }))(
      "%s",
      async (_name, handler) => {
        const kit = makeKit(backend.options());
        // res.redirect and res.format vary by Accept.
        const cached = kit.cache("x", { vary: ["Accept"] });
        await compare(
          express().get("/", handler),
          express().get("/", cached, handler),
          watchCache(kit),
        );
      },
    );
  });

  describe.each(["gzip", "gzip, deflate, br", "identity", undefined])(
    "Accept-Encoding: %s",
    (accept) => {
      const headers: Record<string, string> =
        accept === undefined ? {} : { "Accept-Encoding": accept };
      const zip = compression({ threshold: 0 });
      const handlers: [string, RequestHandler][] = [
        ["send", (_q, r) => void r.send(LONG)],
        ["pieces", (_q, r) => void later(r, [LONG, BINARY, LONG])],
        ["a stream", (_q, r) => void createReadStream(file).pipe(r.type("txt"))],
      ];

      it.each(handlers)(
        "compression before the cache encodes hits like misses: %s",
        async (_n, handler) => {
          const kit = makeKit({ redis: false });
          const bare = express().get("/", zip, handler);
          const cached = express().get("/", zip, kit.cache("x") as RequestHandler, handler);
          await compare(bare, cached, watchCache(kit), headers);
        },
      );

      it.each(handlers)(
        "compression after the cache still answers every client: %s",
        async (_n, handler) => {
          const kit = makeKit({ redis: false });
          const log = watchCache(kit);
          const url = await serve(
            express().get("/", kit.cache("x") as RequestHandler, zip, handler),
          );
          const plain = await send(await serve(express().get("/", handler)));
          for (const ask of [headers, {}, { "Accept-Encoding": "gzip" }, headers]) {
            const reply = await send(url, { headers: ask });
            await log.settled(1);
            const isZipped = reply.headers["content-encoding"] === "gzip";
            expect(isZipped && !/gzip/.test(String(ask["Accept-Encoding"]))).toBe(false);
            const body = isZipped ? gunzipSync(reply.body) : reply.body;
            expect(body.equals(plain.body)).toBe(true);
          }
          expect(log.outcomes().filter((outcome) => outcome === "hit")).toHaveLength(3);
        },
      );
    },
  );
});
