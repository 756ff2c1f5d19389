import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import type { CacheOptions, KitOptions, Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { type Answer, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { moveDate } from "../support/moved-date.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { EXPRESSES, type Shell, SHELLS } from "../support/shells.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };

const statusOf = ({ headers }: RawReply): string => String(headers["cache-status"]);

/** An app whose page was stored; every further run of the handler answers with `answer`. */
async function start(
  options: KitOptions,
  answer: Answer,
  shell: Shell = SHELLS[0]!,
  cacheOptions: CacheOptions = { ttl: "10s", staleIfError: "60s" },
) {
  const kit = makeKit({ ...PATIENT, ...options });
  await kit.ready();
  const log = watchCache(kit);
  const before: Middleware = (_request, response, next) => {
    response.setHeader("X-Request-Id", "this request's");
    next();
  };
  const app = await serveHeld(
    [before, kit.rateLimit({ limit: 1000 }), kit.cache("page", cacheOptions)],
    shell.listener,
  );
  const first = app.ask();
  await app.called(1);
  app.answer(0, (response) => {
    response.setHeader("Content-Type", "text/x-page");
    response.setHeader("X-Own", "stored");
    response.end("good");
  });
  await first;
  await log.settled(1);
  app.answerAll(answer);
  return { kit, log, app };
}

function failWith(status: number): Answer {
  return (response) => {
    response.statusCode = status;
    response.setHeader("X-Failure", "secret");
    response.setHeader("Content-Type", "text/x-failure");
    response.setHeader("Content-Length", 6);
    response.setHeader("Set-Cookie", "failed=1");
    response.setHeader("Cache-Control", "no-store");
    response.end("failed");
  };
}

const FAILURES: readonly (readonly [number, string, Answer])[] = [
  [500, "at once", failWith(500)],
  [502, "at once", failWith(502)],
  [503, "at once", failWith(503)],
  [504, "at once", failWith(504)],
  [
    503,
    "in pieces",
    (response) => {
      response.writeHead(503, "Down", { "X-Failure": "secret", "Retry-After": "9" });
      response.write("fai");
      setImmediate(() => response.end("led"));
    },
  ],
  [
    503,
    "in pieces, with its header first",
    (response) => {
      response.statusCode = 503;
      response.setHeader("X-Failure", "secret");
      response.flushHeaders();
      setImmediate(() => {
        response.write("failed", () => void response.end());
      });
    },
  ],
  [
    500,
    "without a body",
    (response) => {
      response.writeHead(500, { "X-Failure": "secret", "Content-Length": "0" });
      response.end();
    },
  ],
];

describe.each(SHELLS)("staleIfError, under $name", (shell) => {
  describeBackends("cache()", (backend) => {
    it.each(FAILURES)("answers for a handler that says %i %s", async (status, _how, answer) => {
      const { kit, app, log } = await start(backend.options(), answer, shell);
      await kit.cache.expire("page");
      for (let round = 1; round <= 3; round++) {
        const reply = await app.ask();
        expect([reply.status, textOf(reply)]).toEqual([200, "good"]);
        expect(reply.headers).toMatchObject({
          "content-type": "text/x-page",
          "x-own": "stored",
          "x-request-id": "this request's",
        });
        expect(reply.headers["ratelimit"]).toBeDefined();
        expect(Object.keys(reply.headers)).not.toEqual(
          expect.arrayContaining([expect.stringMatching(/^(x-failure|set-cookie|retry-after)$/)]),
        );
        expect(reply.headers["cache-control"]).toBeUndefined();
        expect(statusOf(reply)).toBe(
          `express-redis-kit; fwd=stale; fwd-status=${status}; detail=stale-if-error`,
        );
        // The handler is asked each time: nothing is served stale without a failure.
        expect(app.calls).toHaveLength(1 + round);
      }
      expect(log.outcomes()).toContain("stale");
    });

    it("is not asked where the handler works: what it answers is stored", async () => {
      const { kit, app, log } = await start(backend.options(), (res) => res.end("better"), shell);
      await kit.cache.expire("page");
      const reply = await app.ask();
      expect(textOf(reply)).toBe("better");
      expect(statusOf(reply)).toBe("express-redis-kit; fwd=stale; stored");
      expect(reply.headers["x-own"]).toBeUndefined();
      await log.settled(2);
      const hit = await app.ask();
      expect([textOf(hit), statusOf(hit).includes("; hit")]).toEqual(["better", true]);
      expect(app.calls).toHaveLength(2);
    });

    it.each([400, 401, 403, 404, 410, 429, 501])(
      "passes %i on, which is no failure",
      async (status) => {
        const { kit, app } = await start(backend.options(), failWith(status), shell);
        await kit.cache.expire("page");
        const reply = await app.ask();
        expect([reply.status, textOf(reply)]).toEqual([status, "failed"]);
        expect(reply.headers["x-failure"]).toBe("secret");
        expect(reply.headers["x-own"]).toBeUndefined();
      },
    );

    it("answers a conditional request from the entry, too", async () => {
      const { kit, app } = await start(backend.options(), failWith(503), shell);
      const { etag } = (await app.ask()).headers;
      await kit.cache.expire("page");
      const conditional = await app.ask({ headers: { "If-None-Match": etag! } });
      expect([conditional.status, textOf(conditional)]).toEqual([304, ""]);
      expect(conditional.headers["x-failure"]).toBeUndefined();
    });

    it("has nothing to say for what was never stored, or was purged", async () => {
      const { kit, app } = await start(backend.options(), failWith(503), shell);
      await kit.cache.purge("page");
      const reply = await app.ask();
      expect([reply.status, textOf(reply)]).toEqual([503, "failed"]);
    });

    it("without it, a failure is passed on", async () => {
      const { kit, app } = await start(backend.options(), failWith(503), shell, { ttl: "10s" });
      await kit.cache.expire("page");
      const reply = await app.ask();
      expect([reply.status, textOf(reply)]).toEqual([503, "failed"]);
    });

    it("gives everybody who waited the entry, at the price of one failure or of each one's own", async () => {
      const { kit, app } = await start(backend.options(), failWith(503), shell);
      await kit.cache.expire("page");
      for (const reply of await app.askAll(20)) {
        expect([reply.status, textOf(reply)]).toEqual([200, "good"]);
        expect(reply.headers["x-failure"]).toBeUndefined();
      }
      expect(app.calls.length).toBeLessThanOrEqual(21);
    });
  });
});

describe.each(EXPRESSES)("staleIfError where the handler throws, under $name", ({ name }) => {
  const shell = SHELLS.find((one) => one.name === name)!;

  describeBackends("cache()", (backend) => {
    it.each(["at once", "later"])("answers for it: %s", async (when) => {
      const kit = makeKit({ ...PATIENT, ...backend.options() });
      await kit.ready();
      const log = watchCache(kit);
      let isFailing = false;
      const failing: RequestHandler = (_req, res, next) => {
        if (!isFailing) return next();
        res.setHeader("X-Failure", "secret");
        if (when === "at once") throw new Error("boom");
        setImmediate(() => next(new Error("boom")));
        return undefined;
      };
      const app = await serveHeld(
        [kit.cache("page", { staleIfError: "60s" }), failing as never],
        shell.listener,
      );
      app.answerAll("good");
      await app.ask();
      await log.settled(1);
      isFailing = true;
      await kit.cache.expire("page");
      const reply = await app.ask();
      expect([reply.status, textOf(reply)]).toEqual([200, "good"]);
      expect(reply.headers["x-failure"]).toBeUndefined();
      // Express's own page about an error forbids scripts and sniffing; the stored one never did.
      expect(reply.headers["content-security-policy"]).toBeUndefined();
      expect(statusOf(reply)).toContain("fwd=stale; fwd-status=500; detail=stale-if-error");
    });
  });
});

describe("how long staleIfError holds", () => {
  const date = moveDate();

  it("is so long after ttl, and no longer", async () => {
    const { app } = await start({ redis: false }, failWith(503));
    date.forward(60_000);
    expect(textOf(await app.ask())).toBe("good");
    date.forward(15_000);
    const reply = await app.ask();
    expect([reply.status, textOf(reply)]).toEqual([503, "failed"]);
  });

  it("begins where `stale` ends", async () => {
    const { app, log } = await start({ redis: false }, failWith(503), SHELLS[0], {
      ttl: "10s",
      stale: "10s",
      staleIfError: "60s",
    });
    date.forward(12_000);
    const stale = await app.ask();
    expect([textOf(stale), statusOf(stale).includes("; hit; ttl=-")]).toEqual(["good", true]);
    await log.settled(2);
    date.forward(15_000);
    const failed = await app.ask();
    expect([textOf(failed), statusOf(failed)]).toEqual([
      "good",
      "express-redis-kit; fwd=stale; fwd-status=503; detail=stale-if-error",
    ]);
    date.forward(60_000);
    expect((await app.ask()).status).toBe(503);
  });
});
