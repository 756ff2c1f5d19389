import { describe, expect, it } from "@jest/globals";
import type { Request, RequestHandler } from "express";
import type { KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { afterRoundTrips, watchCache } from "../support/cache.ts";
import { type Answer, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { textOf } from "../support/raw.ts";
import { SHELLS } from "../support/shells.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s", secret: "s" };
/** So long that a test which had to wait for it would fail. */
const LONG = { wait: "60s", age: "60s" } as const;

const set =
  (name: string, value: string): Answer =>
  (response) => {
    response.setHeader(name, value);
    response.end("the first one's own");
  };

const withStatus =
  (status: number): Answer =>
  (response) => {
    response.statusCode = status;
    response.end("the first one's own");
  };

/** Answers that are for the one who asked alone. */
const UNSTORABLE: readonly (readonly [string, Answer])[] = [
  ["a cookie", set("Set-Cookie", "sid=1")],
  ["private", set("Cache-Control", "private")],
  ["no-store", set("Cache-Control", "no-store")],
  ["an unnamed Vary", set("Vary", "X-Theme")],
  ["Vary: *", set("Vary", "*")],
  ["404", withStatus(404)],
  ["500", withStatus(500)],
  ["302", withStatus(302)],
  ["too long at once", (response) => response.end("the first one's own".repeat(100))],
  [
    "too long in pieces",
    (response) => {
      for (let piece = 0; piece < 100; piece++) response.write("the first one's own");
      response.end();
    },
  ],
  [
    "a session that was looked at",
    (response, request) => {
      response.setHeader("X-Session", typeof (request as Request).session);
      response.end("the first one's own");
    },
  ],
];

describeBackends("an answer that may not be shared", (backend) => {
  const start = async () => {
    const kit = makeKit({ ...PATIENT, ...backend.options() });
    await kit.ready();
    const log = watchCache(kit);
    const cache = kit.cache("page", { collapse: LONG, maxBytes: 1000 });
    const app = await serveHeld([kit.session(), cache], SHELLS[0]!.listener);
    return { kit, log, app };
  };

  it.each(UNSTORABLE)(
    "is not: every one who waited runs its own handler, all at once; %s",
    async (_name, refused) => {
      const { app, kit } = await start();
      const first = app.ask();
      await app.called(1);
      const followers = app.askAll(12);
      await app.arrived(13);
      await afterRoundTrips(kit);
      expect(app.calls).toHaveLength(1);
      app.answer(0, refused);
      expect(textOf(await first)).toContain("the first one's own");
      // Nobody is answered before all of them are under way.
      await app.called(13);
      app.answerAll((response) => response.end("own"));
      for (const reply of await followers) {
        expect([reply.status, textOf(reply)]).toEqual([200, "own"]);
        expect(reply.headers["set-cookie"]).toBeUndefined();
        expect(reply.headers["x-session"]).toBeUndefined();
        expect(reply.headers["cache-status"]).not.toContain("collapsed");
      }
      expect(app.calls).toHaveLength(13);
    },
  );

  it.each<[string, Answer]>([
    [
      "a cookie in its header",
      (response) => {
        response.setHeader("Set-Cookie", "sid=1");
        response.write("the first one's own");
      },
    ],
    ["more bytes than are stored", (response) => response.write("the first one's own".repeat(100))],
  ])("holds nobody up until it ends, where it is known before: %s", async (_name, refused) => {
    const { app, kit } = await start();
    const first = app.ask();
    await app.called(1);
    const followers = app.askAll(5);
    await app.arrived(6);
    await afterRoundTrips(kit);
    app.answer(0, refused);
    await app.called(6);
    for (const index of [1, 2, 3, 4, 5]) app.answer(index, "own");
    for (const reply of await followers) expect(textOf(reply)).toBe("own");
    app.calls[0]!.response.end();
    expect(textOf(await first)).toContain("the first one's own");
  });

  it("frees the way at once: what comes afterwards neither waits nor is given it", async () => {
    const { app, log } = await start();
    const first = app.ask();
    await app.called(1);
    app.answer(0, set("Set-Cookie", "sid=1"));
    await first;
    const second = app.ask();
    await app.called(2);
    app.answer(1, "page");
    expect(textOf(await second)).toBe("page");
    await log.settled(2);
    expect(textOf(await app.ask())).toBe("page");
    expect(app.calls).toHaveLength(2);
  });

  it("keeps no handler busy for a client that has gone meanwhile", async () => {
    const { app, log } = await start();
    const first = app.ask();
    await app.called(1);
    const leaving = new AbortController();
    const gone = fetch(app.url, { signal: leaving.signal }).catch(() => "gone");
    const staying = app.ask();
    await app.arrived(3);
    leaving.abort();
    expect(await gone).toBe("gone");
    await app.left(1);
    app.answer(0, set("Set-Cookie", "sid=1"));
    await first;
    await app.called(2);
    app.answer(1, "own");
    expect(textOf(await staying)).toBe("own");
    await log.settled(2);
    expect(textOf(await app.ask())).toBe("own");
    expect(app.calls).toHaveLength(2);
  });
});

describe("a handler that fails", () => {
  describe.each(SHELLS.filter(({ isExpress }) => isExpress))("under $name", (shell) => {
    describeBackends("collapse", (backend) => {
      it("fails for its own client only: the others run their own", async () => {
        const kit = makeKit({ ...PATIENT, ...backend.options() });
        await kit.ready();
        const failing: RequestHandler = (req, _res, next) => {
          // The first request's handler alone gets here after it was let go.
          if (req.get("X-Fail") === undefined) next();
          else throw new Error("boom");
        };
        let letGo = (): void => {};
        let isHeld = false;
        const holding: RequestHandler = async (req, _res, next) => {
          if (req.get("X-Fail") !== undefined) {
            isHeld = true;
            await new Promise<void>((resolve) => (letGo = resolve));
          }
          next();
        };
        const app = await serveHeld(
          [kit.cache("page", { collapse: LONG }), holding as never, failing as never],
          shell.listener,
        );
        const first = app.ask({ headers: { "X-Fail": "1" } });
        await app.arrived(1);
        const waitForHold = async (): Promise<void> => {
          while (!isHeld) await new Promise((resolve) => void setImmediate(resolve));
        };
        await waitForHold();
        const followers = app.askAll(10);
        await app.arrived(11);
        await afterRoundTrips(kit);
        expect(app.calls).toHaveLength(0);
        letGo();
        expect((await first).status).toBe(500);
        await app.called(10);
        app.answerAll("own");
        for (const reply of await followers) {
          expect([reply.status, textOf(reply)]).toEqual([200, "own"]);
        }
      });
    });
  });
});
