import { expect, it } from "@jest/globals";
import type { Request } from "express";
import { describeBackends } from "../support/backends.ts";
import { describeDeployments } from "../support/deployments.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { startVersioned, type VersionedApp } from "../support/versioned-app.ts";

const ROUTES = [
  { path: "/mine/:id", template: "mine", options: { scope: "user" } },
  { path: "/yours/:id", template: "yours", options: { scope: "user", tags: ["t"] } },
  { path: "/all/:id", template: "all", options: { scope: "public" } },
  {
    path: "/tenants/:id",
    template: "tenant",
    options: { scope: (req: Request) => req.get("X-User") },
  },
] as const;

const asked = (user: string) =>
  ["/mine/1", "/mine/2", "/yours/1", "/all/1", "/tenants/1"].map((path) => ({
    path,
    headers: { "X-User": user },
  }));

async function warmFor(app: VersionedApp, user: string): Promise<void> {
  for (const { path, headers } of asked(user)) await app.warm(path, { headers });
}

async function hitsOf(app: VersionedApp, user: string): Promise<string[]> {
  const hits: string[] = [];
  for (const { path, headers } of asked(user))
    if (await app.isHit(path, { headers })) hits.push(path);
  return hits;
}

const ALL = asked("").map(({ path }) => path);
const SHARED = ["/all/1", "/tenants/1"];

describeDeployments("cache.purgeUser", (options) => {
  it("takes back what was stored for that user, and nothing else", async () => {
    const app = await startVersioned(options(), ROUTES);
    await warmFor(app, "7");
    await warmFor(app, "77");
    expect(await hitsOf(app, "7")).toEqual(ALL);
    expect(await app.kit.cache.purgeUser("7")).toBe(true);
    expect(await hitsOf(app, "77")).toEqual(ALL);
    expect(await hitsOf(app, "7")).toEqual(SHARED);
    await warmFor(app, "7");
    expect(await hitsOf(app, "7")).toEqual(ALL);
    expect(await app.kit.cache.purgeUser("nobody")).toBe(false);
  });
});

describeBackends("cache.purgeUser", (backend) => {
  it.each(["*", "a:b", "7:@x", "é", "x".repeat(5000)])(
    "takes ids for what they are: %j",
    async (id) => {
      const app = await startVersioned(backend.options(), [
        {
          path: "/mine/:id",
          template: "mine",
          options: { scope: "user" },
        },
      ]);
      const header = encodeURIComponent(id);
      await app.warm("/mine/1", { headers: { "X-User": "7" } });
      await app.warm("/mine/1", { headers: { "X-User": header } });
      expect(await app.kit.cache.purgeUser(header)).toBe(true);
      expect(await app.isHit("/mine/1", { headers: { "X-User": "7" } })).toBe(true);
      expect(await app.isHit("/mine/1", { headers: { "X-User": header } })).toBe(false);
      expect(await app.kit.cache.purgeUser(id === header ? "other" : id)).toBe(false);
    },
  );

  it("goes along with purges by template and by tag", async () => {
    const app = await startVersioned(backend.options(), ROUTES);
    const options = { headers: { "X-User": "7" } };
    for (const purge of [
      () => app.kit.cache.purgeUser("7"),
      () => app.kit.cache.purge("yours", { id: 1 }),
      () => app.kit.cache.purgeTag("t"),
      () => app.kit.cache.clear(),
    ]) {
      await app.warm("/yours/1", options);
      expect(await app.isHit("/yours/1", options)).toBe(true);
      await purge();
      expect(await app.isHit("/yours/1", options)).toBe(false);
    }
  });
});

describeBackends("cache.clear", (backend) => {
  it("takes everything back, whatever it is under", async () => {
    const app = await startVersioned(backend.options(), ROUTES);
    await warmFor(app, "7");
    await warmFor(app, "8");
    let loads = 0;
    const load = () => app.kit.cache.wrap("report", async () => ++loads);
    expect([await load(), await load()]).toEqual([1, 1]);
    await app.kit.cache.clear();
    expect(await hitsOf(app, "7")).toEqual([]);
    // The public page was stored anew for the first user.
    expect(await hitsOf(app, "8")).toEqual(["/all/1"]);
    expect(await load()).toBe(2);
    await app.kit.cache.clear();
    await app.kit.cache.clear();
    await warmFor(app, "7");
    expect(await hitsOf(app, "7")).toEqual(ALL);
  });

  it("is the end of what other caches of the kit stored, too, and of nothing else", async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s" });
    const log = watchCache(kit);
    const other = makeKit({ ...backend.options(), namespace: "other", deadline: "10s" });
    const app = await startVersioned({ ...backend.options(), namespace: "other" }, [
      { path: "/x", template: "x" },
    ]);
    await app.warm("/x");
    if (backend.name === "redis") await backend.server().client.set("mine", "1", "PX", 60_000);
    await kit.cache.clear();
    expect(await app.isHit("/x")).toBe(true);
    if (backend.name === "redis") {
      expect(await backend.server().client.get("mine")).toBe("1");
      await other.cache.clear();
      expect(await app.isHit("/x")).toBe(false);
    }
    expect(log.events).toEqual([]);
  });
});

describeDeployments("cache.clear on one instance", (options) => {
  it("is seen by all others", async () => {
    const one = await startVersioned(options(), ROUTES);
    const isMemory = (options().redis as unknown) === false;
    const two = isMemory ? one : await startVersioned(options(), ROUTES);
    const headers = { Host: "h", "X-User": "7" };
    for (const path of ALL) await one.warm(path, { headers });
    for (const path of ALL)
      expect([path, await two.isHit(path, { headers })]).toEqual([path, true]);
    await two.kit.cache.clear();
    for (const path of ALL)
      expect([path, await one.isHit(path, { headers })]).toEqual([path, false]);
  });
});
