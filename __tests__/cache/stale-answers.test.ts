import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Request, Response } from "express";
import type { CacheOptions, KitOptions } from "express-redis-kit";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { EXPRESSES, type Express, expressApp } from "../support/shells.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kit-stale-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** More than a socket or a stream takes at once: a writer has to wait for `drain`. */
const LARGE = 600_000;

const large = (version: number) =>
  Readable.from(
    Array.from({ length: 20 }, (_, index) => `${version}:${index};`.padEnd(LARGE / 20, "x")),
  );

/** The ways in which a handler answers; each names a version. */
const ANSWERS: readonly (readonly [
  string,
  (res: Response, version: number, req: Request) => unknown,
])[] = [
  ["json", (res, version) => res.status(200).json({ version })],
  ["send", (res, version) => res.type("text/x-own").send(`version ${version}`)],
  ["a Buffer", (res, version) => res.send(Buffer.from([0, 255, version]))],
  ["a redirect", (res, version) => res.status(301).location(`/elsewhere/${version}`).end()],
  ["params and query", (res, version, req) => res.json([req.params, req.query, version])],
  ["a large stream that is piped", (res, version) => large(version).pipe(res)],
  ["a large stream by pipeline", (res, version) => pipeline(large(version), res)],
  [
    "writes that wait for drain",
    async (res, version) => {
      for await (const chunk of large(version)) {
        if (!res.write(chunk)) await new Promise((resolve) => void res.once("drain", resolve));
      }
      res.end();
    },
  ],
  [
    "writes that wait for their callback",
    async (res, version) => {
      await new Promise((resolve) => void res.write("first ", resolve));
      await new Promise((resolve) => void res.end(`version ${version}`, () => resolve(undefined)));
      expect(res.writableEnded).toBe(true);
    },
  ],
  [
    "a file",
    (res, version) => {
      const path = join(folder, `${version}.txt`);
      writeFileSync(path, `version ${version}`);
      res.sendFile(path);
    },
  ],
  ["nothing", (res) => res.end()],
];

describe.each(EXPRESSES)("a refresh, under $name", ({ express }) => {
  const start = async (
    options: KitOptions,
    answer: (res: Response, version: number, req: Request) => unknown,
    cacheOptions: CacheOptions = { stale: "60s" },
    shell: Express = express,
  ) => {
    const kit = makeKit({ ...options, deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    const log = watchCache(kit);
    const app = expressApp(shell);
    const finished: number[] = [];
    app.use((_req, res, next) => {
      res.once("finish", () => void finished.push(res.statusCode));
      next();
    });
    let version = 0;
    app.get("/x/:id", kit.cache("x", { query: ["q"], ...cacheOptions }), async (req, res, next) => {
      version += 1;
      try {
        await answer(res, version, req);
      } catch (error) {
        next(error);
      }
    });
    const url = await serve(app);
    const ask = () => send(url, { path: "/x/1?q=2" });
    return { kit, log, ask, url, finished, versions: () => version };
  };

  describeBackends("cache()", (backend) => {
    it.each(ANSWERS)("takes what the handler answers with: %s", async (_name, answer) => {
      const { kit, log, ask, finished, versions } = await start(backend.options(), answer);
      const first = await ask();
      await log.settled(1);
      await kit.cache.expire("x", { id: 1 });
      const stale = await ask();
      expect([stale.status, stale.body.equals(first.body)]).toEqual([first.status, true]);
      await log.settled(2);
      expect(log.outcomes().filter((outcome) => outcome === "refused")).toEqual([]);
      const fresh = await ask();
      expect([versions(), fresh.status]).toEqual([2, first.status]);
      expect(fresh.headers["content-type"]).toBe(first.headers["content-type"]);
      expect(fresh.headers["cache-status"]).toMatch(/; hit; ttl=\d+$/);
      expect(fresh.body.length).toBe(first.body.length);
      // One response for each request, as whoever logs them sees it.
      await until(() => finished.length >= 3, "all responses are finished");
      expect(finished).toEqual([first.status, first.status, first.status]);
    });

    it.each(ANSWERS.filter(([name]) => /large|drain/.test(name)))(
      "and a failure that is as long leaves the stale one to the client: %s",
      async (_name, answer) => {
        let isFailing = false;
        const { kit, log, ask } = await start(
          backend.options(),
          (res, version, req) => {
            if (isFailing) res.status(503);
            return answer(res, version, req);
          },
          { staleIfError: "60s" },
        );
        const first = await ask();
        await log.settled(1);
        isFailing = true;
        await kit.cache.expire("x", { id: 1 });
        const reply = await ask();
        expect([reply.status, reply.body.equals(first.body)]).toEqual([200, true]);
        isFailing = false;
        expect(textOf(await ask())).toMatch(/^3:0/);
      },
    );

    it("leaves its client's connection to the next requests", async () => {
      const held: Response[] = [];
      const { kit, log, ask, url, versions } = await start(backend.options(), (res, version) => {
        if (version === 1) res.send("old");
        else held.push(res);
      });
      await ask();
      await log.settled(1);
      await kit.cache.expire("x", { id: 1 });
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString()));
      const { host } = new URL(url);
      const answers = () => text.split("HTTP/1.1 ").length - 1;
      socket.write(`GET /x/1?q=2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => answers() === 1 && held.length === 1, "it is answered, and refreshed");
      held[0]!.write("too early for anybody");
      socket.write(`GET /none HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => answers() === 2, "the next one is answered");
      held[0]!.end(", and done");
      await log.settled(2);
      socket.write(`GET /x/1?q=2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => answers() === 3 && text.endsWith("and done"), "the third one is answered");
      socket.destroy();
      const bodies = text.split("HTTP/1.1 ").map((answer) => answer.split("\r\n\r\n")[1]);
      expect([bodies[1], bodies[3]]).toEqual(["old", "too early for anybody, and done"]);
      expect(versions()).toBe(2);
    });

    it("that fails half-way breaks nobody's connection off, and ends at once", async () => {
      const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
      await kit.ready();
      const log = watchCache(kit);
      const app = expressApp(express);
      const fail: ((error: Error) => void)[] = [];
      const held: Response[] = [];
      app.get("/x", kit.cache("x", { stale: "60s" }), (_req, res, next) => {
        if (fail.length === 0 && log.outcomes().length < 2) return void res.send("old");
        res.write("half");
        fail.push(next);
        return undefined;
      });
      app.get("/slow", (_req, res) => void held.push(res));
      const url = await serve(app);
      await send(url, { path: "/x" });
      await log.settled(1);
      await kit.cache.expire("x");
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString()));
      const { host } = new URL(url);
      socket.write(`GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => text.endsWith("old") && fail.length === 1, "it is answered, and refreshed");
      socket.write(`GET /slow HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => held.length === 1, "the next request is under way");
      fail[0]!(new Error("boom"));
      await log.settled(2);
      held[0]!.end("slow");
      await until(() => text.endsWith("slow") || socket.destroyed, "it is answered");
      expect(text).toMatch(/slow$/);
      socket.destroy();
      expect(log.events.at(-1)).toMatchObject({ outcome: "refused" });
    });
  });
});
