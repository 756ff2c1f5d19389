import { expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { describeDeployments } from "../support/deployments.ts";
import { startVersioned } from "../support/versioned-app.ts";

describeDeployments("cache.wrap and cache()", (options) => {
  it("share tags and purges: one call takes back a page and the value that it was made of", async () => {
    const app = await startVersioned(options(), [
      { path: "/brands/:id", template: "brand", options: { tags: ["brand:[id]"] } },
      { path: "/others/:id", template: "other", options: { tags: ["other:[id]"] } },
    ]);
    const { cache } = app.kit;
    let loads = 0;
    const stats = (id: number) =>
      cache.wrap("brand:[id]:stats", async () => ++loads, { params: { id }, tags: ["brand:[id]"] });
    const warm = async (): Promise<void> => {
      await app.warm("/brands/1");
      await app.warm("/brands/2");
      await app.warm("/others/1");
      await stats(1);
      await stats(2);
    };
    await warm();
    expect(loads).toBe(2);
    await cache.purgeTag("brand:1");
    expect(await app.isHit("/brands/1")).toBe(false);
    expect(await app.isHit("/brands/2")).toBe(true);
    expect(await app.isHit("/others/1")).toBe(true);
    expect([await stats(1), await stats(2)]).toEqual([3, 2]);
    await warm();
    await cache.purge("brand:[id]:stats", { id: 2 });
    expect([await stats(1), await stats(2)]).toEqual([3, 4]);
    expect(await app.isHit("/brands/2")).toBe(true);
    await cache.expireTag("brand:[id]", { id: 2 });
    expect(await app.isHit("/brands/2")).toBe(false);
    expect([await stats(1), await stats(2)]).toEqual([3, 5]);
  });
});

describeBackends("cache.wrap and cache()", (backend) => {
  it("purge one another by a middleware, too", async () => {
    const app = await startVersioned(backend.options(), [], (express, { cache }) => {
      express.put("/brands/:id", cache.purges("brand:[id]:stats"), (_req, res) => void res.end());
      express.put("/tags/:id", cache.purges("brand:[id]"), (_req, res) => void res.end());
    });
    let loads = 0;
    const stats = () =>
      app.kit.cache.wrap("brand:[id]:stats", async () => ++loads, {
        params: { id: 1 },
        tags: ["brand:[id]"],
      });
    expect([await stats(), await stats()]).toEqual([1, 1]);
    await app.ask("/brands/1", { method: "PUT" });
    expect(await stats()).toBe(2);
    await app.ask("/tags/1", { method: "PUT" });
    expect(await stats()).toBe(3);
    await app.ask("/brands/2", { method: "PUT" });
    expect(await stats()).toBe(3);
  });

  it("under one name never answer with what the other one stored", async () => {
    const app = await startVersioned(backend.options(), [{ path: "/same", template: "same" }]);
    const load = () => app.kit.cache.wrap("same", async () => ({ secret: "value" }));
    await load();
    const page = await app.ask("/same");
    expect(page.body.toString()).toMatch(/^\/same \d+$/);
    await app.log.settled(1);
    expect(await load()).toEqual({ secret: "value" });
    expect((await app.ask("/same")).body.toString()).toMatch(/^\/same \d+$/);
  });
});
