import { describe, expect, it } from "@jest/globals";
import type { CacheOptions, KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { afterRoundTrips, watchCache } from "../support/cache.ts";
import { serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { textOf } from "../support/raw.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };
/** So long that a test which had to wait for it would fail. */
const LONG = "60s";

describeBackends("a handler that does not answer", (backend) => {
  const start = async (collapse: CacheOptions["collapse"]) => {
    const kit = makeKit({ ...PATIENT, ...backend.options() });
    await kit.ready();
    const log = watchCache(kit);
    const app = await serveHeld([kit.cache("page", { collapse: collapse! })]);
    return { kit, log, app };
  };

  it("holds others up for `wait` only: then each runs its own", async () => {
    const { app } = await start({ wait: 300, age: LONG });
    const stuck = app.ask();
    await app.called(1);
    const followers = app.askAll(8);
    await app.arrived(9);
    await app.called(9);
    for (let index = 1; index <= 8; index++) app.answer(index, "own");
    for (const reply of await followers) expect(textOf(reply)).toBe("own");
    expect(app.calls).toHaveLength(9);
    app.answer(0, "late");
    expect(textOf(await stuck)).toBe("late");
  });

  it("is nobody's first any more after `age`: another one takes its place", async () => {
    const { app, log } = await start({ wait: LONG, age: 300 });
    const stuck = app.ask();
    await app.called(1);
    const followers = app.askAll(8);
    await app.arrived(9);
    await app.called(2);
    app.answer(1, "page");
    for (const reply of await followers) expect(textOf(reply)).toBe("page");
    await log.settled(1);
    expect(textOf(await app.ask())).toBe("page");
    expect(app.calls).toHaveLength(2);
    app.answer(0, "late");
    expect(textOf(await stuck)).toBe("late");
    await log.settled(2);
  });

  it("whose client goes away makes room at once", async () => {
    const { app, kit } = await start({ wait: LONG, age: LONG });
    const leaving = new AbortController();
    const gone = fetch(app.url, { signal: leaving.signal }).catch(() => "gone");
    await app.called(1);
    const followers = app.askAll(8);
    await app.arrived(9);
    await afterRoundTrips(kit);
    expect(app.calls).toHaveLength(1);
    leaving.abort();
    expect(await gone).toBe("gone");
    await app.left(1);
    await app.called(2);
    app.answerAll("own");
    for (const reply of await followers) {
      expect([reply.status, textOf(reply)]).toEqual([200, "own"]);
    }
    expect(app.calls.length).toBeLessThanOrEqual(9);
  });

  it("whose response is destroyed half-way makes room at once", async () => {
    const { app, kit } = await start({ wait: LONG, age: LONG });
    const broken = app.ask().catch(() => "broken");
    await app.called(1);
    const followers = app.askAll(8);
    await app.arrived(9);
    await afterRoundTrips(kit);
    expect(app.calls).toHaveLength(1);
    app.answer(0, (response) => {
      response.write("half");
      response.destroy();
    });
    expect(await broken).toBe("broken");
    await app.called(2);
    app.answerAll("own");
    for (const reply of await followers) expect(textOf(reply)).toBe("own");
  });
});

describe("collapse's options", () => {
  it.each([
    [{ collapse: true }, "collapse"],
    [{ collapse: { wait: "soon" } }, "wait"],
    [{ collapse: { wait: 0 } }, "wait"],
    [{ collapse: { age: "-1s" } }, "age"],
    [{ collapse: { waits: "1s" } }, "waits"],
  ])("are checked where they are given: %j", (options, named) => {
    const { cache } = makeKit({ redis: false });
    expect(() => cache("page", options as unknown as CacheOptions)).toThrow(named);
  });
});
