import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import type { CacheOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { type Handler, SHELLS, type Shell } from "../support/shells.ts";

/** What a client saw of an answer, whole or not. */
interface Seen {
  readonly status: number | undefined;
  readonly isWhole: boolean;
  readonly text: string;
  readonly trailers: NodeJS.Dict<string>;
}

function see(url: string): Promise<Seen & { headers: IncomingHttpHeaders }> {
  return new Promise((resolve) => {
    const none = { status: undefined, isWhole: false, text: "", trailers: {}, headers: {} };
    const outgoing = httpRequest(url, { agent: false, headers: { TE: "trailers" } });
    outgoing.on("error", () => resolve(none));
    outgoing.on("response", (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
      response.on("error", () => {});
      response.on("close", () => {
        const { statusCode: status, complete: isWhole, trailers, headers } = response;
        resolve({ status, isWhole, text, trailers, headers });
      });
    });
    outgoing.end();
  });
}

/** How much arrives of what is torn depends on the network alone; what the reasons are, on the shell. */
function comparable({ status, isWhole, text, trailers }: Seen): unknown {
  if (!isWhole) return "torn";
  return { status, text: text.split(/\n|<br>/, 1)[0], trailers };
}

async function* failingAfter(...pieces: string[]): AsyncGenerator<string> {
  yield* pieces;
  await turn();
  throw new Error("the source failed");
}

/** What any shell can do. */
const BROKEN: Record<string, Handler> = {
  "fewer bytes than promised": (_q, r) => (r.setHeader("Content-Length", "9"), r.end("four")),
  "fewer bytes than promised, in pieces": (_q, r) => {
    r.writeHead(200, { "Content-Length": "9" });
    r.write("four");
    r.end();
  },
  "torn off at once": (_q, r) => void r.destroy(),
  "torn off after the header": (_q, r) => (r.flushHeaders(), void r.destroy()),
  "torn off after a byte": (_q, r) => (r.write("a"), void r.destroy(new Error("broken"))),
  "torn off by its socket": (_q, r) => (r.write("a"), void r.socket!.destroy()),
  "a stream that fails": async (_q, r) => {
    await pipeline(Readable.from(failingAfter("a", "b")), r).catch(() => {});
  },
  "a stream that fails at once": async (_q, r) => {
    await pipeline(Readable.from(failingAfter()), r).catch(() => {});
  },
  "a stream whose end is forgotten": (_q, r) => {
    const source = Readable.from(failingAfter("a", "b"));
    source.once("error", () => r.destroy());
    source.pipe(r, { end: false });
  },
};

const silent: Handler = () => {};

/** What only shells survive that catch errors. */
const THROWN: Record<string, Handler> = {
  "an error": () => {
    throw new Error("broken");
  },
  "an error after the first byte": (_q, r) => {
    r.write("a");
    throw new Error("broken");
  },
  "a body of no kind": (_q, r) => r.end(42),
  "a piece of no kind": (_q, r) => r.write(null),
  "a status that is none": (_q, r) => {
    r.statusCode = 99;
    r.end("x");
  },
  "a field with a line end": (_q, r) => {
    r.setHeader("X-A", "a\nb");
    r.end("x");
  },
  "a field that comes too late": (_q, r) => {
    r.write("a");
    r.setHeader("X-A", "b");
    r.end();
  },
};

type Row = readonly [string, Shell, Handler];

/** Half of the shells in memory, the others on Redis. */
function rowsOn(backend: "memory" | "redis"): readonly Row[] {
  const names = backend === "memory" ? ["Express 4", "connect"] : ["Express 5", "node:http"];
  return SHELLS.filter(({ name }) => names.includes(name)).flatMap(rowsOf);
}

function rowsOf(shell: Shell): readonly Row[] {
  const own = Object.entries(shell.name === "node:http" ? {} : THROWN);
  return [...Object.entries(BROKEN), ...own].map(([name, handler]) => [
    `${name}, under ${shell.name}`,
    shell,
    handler,
  ]);
}

describeBackends("an answer that breaks", (backend) => {
  const rows = rowsOn(backend.name);

  /** Its handler breaks while `isBroken`. */
  async function start({ listener }: Shell, handler: Handler, options: CacheOptions = {}) {
    const kit = makeKit(backend.options());
    const log = watchCache(kit);
    const stage = { isBroken: true, runs: 0 };
    const url = await serve(
      listener([kit.cache("x", options)], (request, response) => {
        stage.runs++;
        return stage.isBroken ? handler(request, response) : response.end("whole");
      }),
    );
    return { kit, log, stage, url };
  }

  it.each(rows)("breaks as without a cache, and leaves nothing: %s", async (_n, shell, handler) => {
    const bare = comparable(await see(await serve(shell.listener([], handler))));
    const { url, stage, log } = await start(shell, handler);
    const seen = [await see(url), await see(url), ...(await Promise.all([see(url), see(url)]))];
    expect(stage.runs).toBe(4);
    for (const each of seen) {
      expect(comparable(each)).toEqual(bare);
      expect(each.text).not.toMatch(/KitError|CACHE_|REDIS_/);
      expect(String(each.headers["cache-status"])).not.toMatch(/stored|hit|collapsed/);
    }
    await log.settled(4);
    stage.isBroken = false;
    const whole = await send(url);
    expect([whole.status, textOf(whole)]).toEqual([200, "whole"]);
    expect(whole.headers["cache-status"]).toMatch(/fwd=miss/);
    await log.settled(5);
    expect(log.outcomes().filter((outcome) => outcome === "stored")).toHaveLength(1);
  });

  it.each([...rows, ["no answer at all, under node:http", SHELLS[3]!, silent] as Row])(
    "in the background changes nothing: %s",
    async (_name, shell, handler) => {
      const { url, stage, kit } = await start(shell, handler, { stale: "1h" });
      stage.isBroken = false;
      await send(url);
      await until(async () => kit.cache.expire("x"), "there is something to expire");
      stage.isBroken = true;
      for (let index = 0; index < 3; index++) {
        const stale = await see(url);
        expect([stale.status, stale.isWhole, stale.text]).toEqual([200, true, "whole"]);
        await until(() => stage.runs >= 2, "it is refreshed");
      }
    },
  );
});

describe.each(SHELLS)("trailers under $name", ({ listener }) => {
  it("are left alone on a miss, and a hit has the same body", async () => {
    const handler: Handler = (_request, response) => {
      response.setHeader("Trailer", "X-Sum");
      response.write("a");
      response.addTrailers({ "X-Sum": "1" });
      response.end("b");
    };
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const url = await serve(listener([kit.cache("x")], handler));
    const bare = await see(await serve(listener([], handler)));
    expect(bare.trailers).toEqual({ "x-sum": "1" });
    const miss = await see(url);
    expect(comparable(miss)).toEqual(comparable(bare));
    expect(miss.headers["trailer"]).toBe("X-Sum");
    await log.settled(1);
    const next = await see(url);
    expect([next.status, next.isWhole, next.text]).toEqual([200, true, "ab"]);
    // Trailers that are announced must come.
    expect(next.headers["trailer"] === undefined).toBe(next.trailers["x-sum"] === undefined);
  });
});

describe.each(SHELLS)("a client that hangs up under $name", ({ listener }) => {
  describeBackends("while others wait for the same", (backend) => {
    it("takes nobody with it", async () => {
      const kit = makeKit(backend.options());
      const waiting: (() => void)[] = [];
      let closed = 0;
      const url = await serve(
        listener([kit.cache("x")], (_request, response) => {
          response.once("close", () => closed++);
          waiting.push(() => response.end("whole"));
        }),
      );
      const leader = httpRequest(url, { agent: false }).end();
      leader.on("error", () => {});
      await until(() => waiting.length === 1, "the leader's handler runs");
      const followers = [send(url), send(url)];
      // They wait, or run their own handler.
      leader.destroy();
      await until(() => closed === 1, "the leader has left");
      await until(() => waiting.length > 1, "another handler runs");
      const answer = setInterval(() => waiting.splice(1).map((go) => go()), 1);
      for (const reply of await Promise.all(followers)) {
        expect([reply.status, textOf(reply)]).toEqual([200, "whole"]);
      }
      clearInterval(answer);
      waiting[0]!();
    });
  });
});
