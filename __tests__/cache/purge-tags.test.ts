import { describe, expect, it } from "@jest/globals";
import type { Request } from "express";
import type { KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit } from "../support/kit.ts";
import { startVersioned, type VersionedApp } from "../support/versioned-app.ts";

/** A shop: each page carries tags of another kind. */
function startShop(options: KitOptions): Promise<VersionedApp> {
  return startVersioned(options, [
    {
      path: "/brands/:id",
      template: "brand",
      options: { tags: ["brand:[id]", "brands"], scope: "public" },
    },
    {
      path: "/brands/:id/settings",
      template: "brand:settings",
      options: { tags: ["brand:[id]"], scope: "public", query: ["page"] },
    },
    {
      path: "/products/:product",
      template: "product",
      options: {
        tags: (req: Request) => [`brand:${String(req.get("X-Brand"))}`, "products"],
        scope: "public",
      },
    },
    { path: "/plain/:id", template: "plain", options: { scope: "public" } },
  ]);
}

const PATHS = ["/brands/456", "/brands/456/settings", "/brands/789", "/products/1", "/plain/456"];
const HEADERS = { "X-Brand": "456" };

/** The paths that are still served from the cache; asking leaves them stored anew. */
async function hits(shop: VersionedApp): Promise<string[]> {
  const kept: string[] = [];
  for (const path of PATHS) {
    if (await shop.isHit(path, { headers: HEADERS })) kept.push(path);
  }
  return kept;
}

async function warmAll(shop: VersionedApp): Promise<void> {
  for (const path of PATHS) await shop.warm(path, { headers: HEADERS });
}

describeDeployments("a tag", (options) => {
  it.each<[string, Record<string, string | number> | undefined, string[]]>([
    ["brand:456", undefined, ["/brands/789", "/plain/456"]],
    ["brand:[id]", { id: 456 }, ["/brands/789", "/plain/456"]],
    ["brand:[id]", { id: "789" }, PATHS.filter((path) => path !== "/brands/789")],
    ["brands", undefined, PATHS.filter((path) => !/^\/brands\/\d+$/.test(path))],
    ["products", undefined, PATHS.filter((path) => path !== "/products/1")],
  ])("takes everything back that carries it: %s %j", async (tag, params, kept) => {
    const shop = await startShop(options());
    await warmAll(shop);
    expect(await hits(shop)).toEqual(PATHS);
    expect(await shop.kit.cache.purgeTag(tag, params)).toBe(true);
    expect(await hits(shop)).toEqual(kept);
    await warmAll(shop);
    expect(await hits(shop)).toEqual(PATHS);
  });
});

describeBackends("a tag", (backend) => {
  it("that nothing carries takes nothing back", async () => {
    const shop = await startShop(backend.options());
    await warmAll(shop);
    for (const tag of [
      "brand",
      "brand:45",
      "brand:4567",
      "brand:456:settings",
      "plain",
      "nobody",
    ]) {
      expect(await shop.kit.cache.purgeTag(tag)).toBe(false);
    }
    expect(await hits(shop)).toEqual(PATHS);
  });

  it.each(["*", "a:b", "@lock", "456 ", "é", "a\r\nb", "x".repeat(5000), "[id]"])(
    "takes what a request brings for what it is: %j",
    async (id) => {
      const shop = await startShop(backend.options());
      const path = `/brands/${encodeURIComponent(id)}`;
      await warmAll(shop);
      await shop.warm(path);
      expect(await shop.isHit(path)).toBe(true);
      expect(await shop.kit.cache.purgeTag("brand:[id]", { id })).toBe(true);
      expect(await shop.isHit(path)).toBe(false);
      expect(await hits(shop)).toEqual(PATHS);
    },
  );

  it("takes all variants along", async () => {
    const shop = await startShop(backend.options());
    const variants = ["", "?page=2", "?page=3"].flatMap((query) =>
      ["a.test", "b.test"].map((Host) => ({
        path: `/brands/456/settings${query}`,
        headers: { Host },
      })),
    );
    for (const { path, headers } of variants) await shop.warm(path, { headers });
    for (const { path, headers } of variants)
      expect(await shop.isHit(path, { headers })).toBe(true);
    await shop.kit.cache.purgeTag("brand:456");
    for (const { path, headers } of variants) {
      expect(await shop.isHit(path, { headers })).toBe(false);
    }
  });

  it("of an entry that carries two takes it back by either", async () => {
    const shop = await startShop(backend.options());
    for (const tag of ["brand:456", "brands"]) {
      await shop.warm("/brands/456");
      expect(await shop.isHit("/brands/456")).toBe(true);
      await shop.kit.cache.purgeTag(tag);
      expect(await shop.isHit("/brands/456")).toBe(false);
    }
  });

  it("that was purged while nothing carried it does not spoil what comes later", async () => {
    const shop = await startShop(backend.options());
    await shop.kit.cache.purgeTag("brand:456");
    await shop.warm("/brands/456");
    expect(await shop.isHit("/brands/456")).toBe(true);
  });

  it("makes entries stale by expireTag: with `stale` they are served on, else they are over", async () => {
    const shop = await startVersioned(backend.options(), [
      { path: "/soft/:id", template: "soft", options: { tags: ["both:[id]"], stale: "60s" } },
      { path: "/hard/:id", template: "hard", options: { tags: ["both:[id]"] } },
    ]);
    for (const path of ["/soft/1", "/hard/1", "/soft/2", "/hard/2"]) await shop.warm(path);
    expect(await shop.kit.cache.expireTag("both:[id]", { id: 1 })).toBe(true);
    const soft = await shop.ask("/soft/1");
    expect(soft.headers["cache-status"]).toMatch(/; hit; ttl=-?\d+$/);
    expect(soft.body.toString()).toBe("/soft/1 1");
    expect(await shop.isHit("/hard/1")).toBe(false);
    expect(shop.log.outcomes()).toContain("stale");
    const before = shop.log.outcomes().filter((outcome) => outcome === "stale").length;
    expect(await shop.isHit("/soft/2")).toBe(true);
    expect(await shop.isHit("/hard/2")).toBe(true);
    expect(shop.log.outcomes().filter((outcome) => outcome === "stale")).toHaveLength(before);
    expect(await shop.kit.cache.expireTag("both:3")).toBe(false);
  });
});

describe("a tag that cannot be filled", () => {
  it.each([
    ["brand:[id]", undefined],
    ["brand:[id]", {}],
    ["brand:[id]", { di: 1 }],
  ])("is an error of purgeTag and expireTag: %s %j", async (tag, params) => {
    const { cache } = makeKit({ redis: false });
    await expect(cache.purgeTag(tag, params)).rejects.toMatchObject({
      code: "CACHE_KEY_INCOMPLETE",
    });
    await expect(cache.expireTag(tag, params)).rejects.toMatchObject({
      code: "CACHE_KEY_INCOMPLETE",
    });
  });
});
