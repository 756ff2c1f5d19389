import { describe, expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { describeDeployments } from "../support/deployments.ts";
import { serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { moveDate } from "../support/moved-date.ts";
import { textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { startVersioned, versionOf } from "../support/versioned-app.ts";

describeDeployments("cache.expire", (options) => {
  it("makes all variants stale: served on with `stale`, over without", async () => {
    const app = await startVersioned(options(), [
      { path: "/soft/:id", template: "soft", options: { stale: "60s", query: ["page"] } },
      { path: "/hard/:id", template: "hard", options: { query: ["page"] } },
    ]);
    const pages = ["1", "1?page=2", "2"];
    for (const page of pages) {
      await app.warm(`/soft/${page}`);
      await app.warm(`/hard/${page}`);
    }
    expect(await app.kit.cache.expire("soft", { id: 1 })).toBe(true);
    expect(await app.kit.cache.expire("hard", { id: 1 })).toBe(true);
    for (const page of ["1", "1?page=2"]) {
      expect(await app.isHit(`/hard/${page}`)).toBe(false);
      const reply = await app.ask(`/soft/${page}`);
      expect(reply.headers["cache-status"]).toMatch(/; hit; ttl=-?\d+$/);
    }
    const stale = app.log.outcomes().filter((outcome) => outcome === "stale");
    expect(stale).toHaveLength(2);
    expect(await app.isHit("/hard/2")).toBe(true);
    expect(await app.isHit("/soft/2")).toBe(true);
    expect(app.log.outcomes().filter((outcome) => outcome === "stale")).toHaveLength(2);
    expect(await app.kit.cache.expire("soft", { id: 3 })).toBe(false);
  });
});

describeBackends("cache.expire", (backend) => {
  it("does not bring back what was purged", async () => {
    const app = await startVersioned(backend.options(), [
      { path: "/soft/:id", template: "soft", options: { stale: "60s" } },
    ]);
    await app.warm("/soft/1");
    await app.kit.cache.purge("soft", { id: 1 });
    expect(await app.kit.cache.expire("soft", { id: 1 })).toBe(false);
    expect(await app.isHit("/soft/1")).toBe(false);
  });

  it("twice is as once, and a purge afterwards is a purge", async () => {
    const app = await startVersioned(backend.options(), [
      { path: "/soft/:id", template: "soft", options: { staleIfError: "60s" } },
    ]);
    await app.warm("/soft/1");
    const first = versionOf(await app.ask("/soft/1"));
    await app.kit.cache.expire("soft", { id: 1 });
    await app.kit.cache.expire("soft", { id: 1 });
    const second = await app.ask("/soft/1");
    expect(versionOf(second)).toBe(first + 1);
    expect(second.headers["cache-status"]).toBe("express-redis-kit; fwd=stale; stored");
    await app.log.settled(2);
    expect(await app.kit.cache.purge("soft", { id: 1 })).toBe(true);
    expect(versionOf(await app.ask("/soft/1"))).toBe(first + 2);
  });

  it("while a handler renders: what it read before is not taken for fresh afterwards", async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    const log = watchCache(kit);
    const app = await serveHeld([kit.cache("page", { stale: "60s" })]);
    const warm = app.ask();
    await app.called(1);
    app.answer(0, "oldest");
    await warm;
    await log.settled(1);
    await kit.cache.purge("page");
    const before = app.ask();
    await app.called(2);
    await kit.cache.expire("page");
    app.answer(1, "old");
    expect(textOf(await before)).toBe("old");
    await log.settled(2);
    app.answerAll("new");
    await until(async () => textOf(await app.ask()) === "new", "it is refreshed");
    expect(app.calls.length).toBeLessThanOrEqual(4);
  });
});

describe("cache.expire by an instance whose clock is wrong", () => {
  const date = moveDate();

  describeBackends("on one whose clock is right", (backend) => {
    it.each([
      ["ahead", 60_000],
      ["behind", -60_000],
    ])("is seen at once: %s by a minute", async (_name, by) => {
      const app = await startVersioned(backend.options(), [
        { path: "/soft", template: "soft", options: { stale: "10m", ttl: "10m" } },
        { path: "/hard", template: "hard", options: { ttl: "10m" } },
      ]);
      await app.warm("/soft");
      await app.warm("/hard");
      date.forward(by);
      await app.kit.cache.expire("soft");
      await app.kit.cache.expire("hard");
      date.forward(-by);
      await app.ask("/soft");
      expect(app.log.outcomes()).toContain("stale");
      expect(await app.isHit("/hard")).toBe(false);
    });
  });
});

describe("cache.expire of what a template does not name", () => {
  it.each([[{}], [{ di: 1 }], [{ id: 1, page: 2 }]])("is an error: %j", async (params) => {
    const { cache } = makeKit({ redis: false });
    await expect(cache.expire("brand:[id]", params)).rejects.toMatchObject({
      code: "CACHE_KEY_INCOMPLETE",
    });
  });
});
