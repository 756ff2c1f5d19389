import { describe, expect, it } from "@jest/globals";
import type { Kit, KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { afterRoundTrips, type CacheLog, watchCache } from "../support/cache.ts";
import { type HeldApp, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { textOf } from "../support/raw.ts";

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };
/** So long that a test which had to wait for it would fail. */
const LONG = { wait: "60s", age: "60s" } as const;

/** Everything that takes the page back, as `cache.purge` does. */
const PURGES: readonly (readonly [string, (kit: Kit) => Promise<unknown>])[] = [
  ["purge", (kit) => kit.cache.purge("page")],
  ["purgeTag", (kit) => kit.cache.purgeTag("pages")],
  ["purgeUser", (kit) => kit.cache.purgeUser("7")],
  ["clear", (kit) => kit.cache.clear()],
];

/** One instance of the app, whose requests are all user 7's. */
async function startOne(options: KitOptions): Promise<{ kit: Kit; log: CacheLog; app: HeldApp }> {
  const kit = makeKit({ ...PATIENT, ...options });
  await kit.ready();
  const log = watchCache(kit);
  const cache = kit.cache("page", { collapse: LONG, tags: ["pages"], scope: "user" });
  const served = await serveHeld([
    (request, _response, next) => {
      Object.assign(request, { user: { id: "7" } });
      next();
    },
    cache,
  ]);
  // Each instance has a port of its own; under one name they are asked for one variant.
  const oneName = { headers: { Host: "one.test" } };
  const app: HeldApp = {
    ...served,
    ask: () => served.ask(oneName),
    askAll: (count) => served.askAll(count, oneName),
  };
  return { kit, log, app };
}

describeBackends("while a handler renders, and others wait for it", (backend) => {
  describe.each(PURGES)("a %s", (_name, purge) => {
    it("is seen by the next request: it does not wait for what is old", async () => {
      const { kit, app, log } = await startOne(backend.options());
      const before = app.askAll(5);
      await app.arrived(5);
      await app.called(1);
      await afterRoundTrips(kit);
      expect(app.calls).toHaveLength(1);
      await purge(kit);
      const after = app.askAll(5);
      await app.arrived(10);
      await app.called(2);
      app.answer(1, "new");
      for (const reply of await after) expect(textOf(reply)).toBe("new");
      await log.settled(1);
      app.answer(0, "old");
      // They had asked before the purge; whether they ran again is theirs.
      app.answerAll("new");
      for (const reply of await before) expect(["old", "new"]).toContain(textOf(reply));
      await log.settled(2);
      expect(textOf(await app.ask())).toBe("new");
    });

    it("leaves nothing of the old one behind where it ends first", async () => {
      const { kit, app, log } = await startOne(backend.options());
      const before = app.ask();
      await app.called(1);
      await purge(kit);
      const after = app.ask();
      await app.called(2);
      app.answer(0, "old");
      expect(textOf(await before)).toBe("old");
      await log.settled(1);
      const third = app.ask();
      await app.arrived(3);
      app.answerAll("new");
      expect(textOf(await after)).toBe("new");
      expect(textOf(await third)).toBe("new");
      expect(textOf(await app.ask())).toBe("new");
    });
  });
});

describeBackends("on two instances, while a handler renders on one", (backend) => {
  if (backend.name === "memory") {
    it("nothing is shared: each has a memory of its own", async () => {
      const [one, two] = [await startOne(backend.options()), await startOne(backend.options())];
      const replies = [one.app.ask(), two.app.ask()];
      await one.app.called(1);
      await two.app.called(1);
      one.app.answer(0, "one");
      two.app.answer(0, "two");
      expect((await Promise.all(replies)).map(textOf)).toEqual(["one", "two"]);
    });
    return;
  }

  it("the other one waits for it, and gets its bytes", async () => {
    const [one, two] = [await startOne(backend.options()), await startOne(backend.options())];
    const first = one.app.ask();
    await one.app.called(1);
    const others = two.app.askAll(20);
    await two.app.arrived(20);
    one.app.answer(0, "page");
    for (const reply of [await first, ...(await others)]) expect(textOf(reply)).toBe("page");
    expect(two.app.calls).toHaveLength(0);
  });

  it.each(PURGES)("a %s on the other is seen by both", async (_name, purge) => {
    const [one, two] = [await startOne(backend.options()), await startOne(backend.options())];
    const before = one.app.ask();
    await one.app.called(1);
    await purge(two.kit);
    const here = one.app.ask();
    const there = two.app.ask();
    await Promise.all([one.app.arrived(2), two.app.arrived(1)]);
    one.app.answer(0, "old");
    expect(textOf(await before)).toBe("old");
    const both = Promise.all([here, there]);
    const isRunning = (): number => one.app.calls.length - 1 + two.app.calls.length;
    await Promise.race([one.app.called(2), two.app.called(1)]);
    expect(isRunning()).toBeGreaterThan(0);
    one.app.answerAll("new");
    two.app.answerAll("new");
    expect((await both).map(textOf)).toEqual(["new", "new"]);
    expect(textOf(await one.app.ask())).toBe("new");
    expect(textOf(await two.app.ask())).toBe("new");
  });
});
