import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import type { KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { type Answer, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { moveDate } from "../support/moved-date.ts";
import { textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { EXPRESSES, SHELLS } from "../support/shells.ts";
import { storePage } from "../support/stored-page.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };

/** Answers that nobody else may be given. */
const REFUSED: readonly (readonly [string, Answer])[] = [
  ["500", (response) => response.writeHead(500).end("not for others")],
  [
    "503 in pieces",
    (response) => {
      response.writeHead(503, { "Retry-After": "1" });
      response.write("not for");
      response.end(" others");
    },
  ],
  [
    "a cookie",
    (response) => {
      response.setHeader("Set-Cookie", "sid=1");
      response.end("not for others");
    },
  ],
  [
    "private",
    (response) => {
      response.setHeader("Cache-Control", "private");
      response.end("not for others");
    },
  ],
  ["a response that is destroyed", (response) => void response.destroy()],
];

describe.each(SHELLS)("a refresh that brings nothing to store, under $name", (shell) => {
  const date = moveDate();

  describeBackends("cache()", (backend) => {
    // Nobody tries again for a second, which has to be waited for in Redis: one of them is enough there.
    it.each(backend.name === "redis" ? REFUSED.slice(0, 1) : REFUSED)(
      "is seen by nobody: %s",
      async (_name, refused) => {
        const { kit, app, log } = await storePage(backend.options(), { shell });
        await kit.cache.expire("page");
        expect(textOf(await app.ask())).toBe("old");
        await app.called(2);
        app.answer(1, refused);
        await log.settled(2);
        expect(log.events.some(({ outcome }) => outcome === "refused")).toBe(true);
        // What is stale may be served on, or be over; what was refused may not be served at all.
        app.answerAll("new");
        date.forward(2000);
        await until(async () => {
          const reply = await app.ask();
          expect(reply.status).toBe(200);
          expect(["old", "new"]).toContain(textOf(reply));
          expect(reply.headers["set-cookie"]).toBeUndefined();
          expect(reply.headers["retry-after"]).toBeUndefined();
          return textOf(reply) === "new";
        }, "the next refresh brings what is new");
      },
    );
  });
});

describe("a refresh that fails", () => {
  const date = moveDate();

  it.each(REFUSED.slice(0, 2))(
    "keeps the stale entry until its time is over: %s",
    async (_name, fails) => {
      const { app, log } = await storePage(
        { redis: false },
        { cache: { ttl: "10s", stale: "60s" } },
      );
      date.forward(12_000);
      for (let round = 0; round < 3; round++) {
        expect(textOf(await app.ask())).toBe("old");
        await app.called(2 + round);
        app.answer(1 + round, fails);
        await log.settled(2 + round);
        date.forward(6000); // More than any pause between two attempts should take.
      }
      date.forward(60_000);
      const over = app.ask();
      await app.called(5);
      app.answer(4, fails);
      expect([500, 503]).toContain((await over).status);
    },
  );
});

describe.each(EXPRESSES)("a refresh whose handler throws, under $name", ({ name }) => {
  const shell = SHELLS.find((one) => one.name === name)!;
  const date = moveDate();

  describeBackends("cache()", (backend) => {
    const moments = ["after its header", "at once", "later"];
    it.each(backend.name === "redis" ? moments.slice(0, 1) : moments)(
      "is seen by nobody: %s",
      async (when) => {
        let isFailing = false;
        const kit = makeKit({ ...PATIENT, ...backend.options() });
        await kit.ready();
        const log = watchCache(kit);
        const failing: RequestHandler = (_req, res, next) => {
          if (!isFailing) return next();
          if (when === "at once") throw new Error("boom");
          if (when === "after its header") res.write("not for others");
          setImmediate(() => next(new Error("boom")));
          return undefined;
        };
        const app = await serveHeld(
          [kit.cache("page", { stale: "60s" }), failing as never],
          shell.listener,
        );
        app.answerAll("page");
        await app.ask();
        await log.settled(1);
        isFailing = true;
        await kit.cache.expire("page");
        for (const reply of await app.askAll(10)) {
          expect([reply.status, textOf(reply)]).toEqual([200, "page"]);
        }
        await log.settled(2);
        isFailing = false;
        date.forward(2000);
        await until(async () => {
          const reply = await app.ask();
          expect([reply.status, textOf(reply)]).toEqual([200, "page"]);
          return log.outcomes().filter((one) => one === "stored").length >= 2;
        }, "it is stored anew");
      },
    );
  });
});

describeBackends("a client that has left", (backend) => {
  it("does not take the refresh with it that it began", async () => {
    const { kit, app, log } = await storePage(backend.options());
    await kit.cache.expire("page");
    // Its connection is closed as soon as it is answered.
    expect(textOf(await app.ask({ headers: { Connection: "close" } }))).toBe("old");
    await app.called(2);
    await until(() => app.calls[1]!.request.socket.destroyed, "the connection is closed");
    app.answer(1, "new");
    await log.settled(2);
    expect(textOf(await app.ask())).toBe("new");
    expect(app.calls).toHaveLength(2);
  });

  it("a purge during a refresh wins over it", async () => {
    const { kit, app, log } = await storePage(backend.options());
    await kit.cache.expire("page");
    expect(textOf(await app.ask())).toBe("old");
    await app.called(2);
    await kit.cache.purge("page");
    const after = app.ask();
    await app.called(3);
    app.answer(1, "too old");
    await log.settled(2);
    app.answer(2, "new");
    expect(textOf(await after)).toBe("new");
    await log.settled(3);
    expect(textOf(await app.ask())).toBe("new");
  });
});
