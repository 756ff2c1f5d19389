import { expect, it } from "@jest/globals";
import { describeDeployments } from "../support/deployments.ts";
import { startVersioned, type VersionedRoute } from "../support/versioned-app.ts";

const ROUTES: readonly VersionedRoute[] = [
  {
    path: "/things/:id",
    template: "thing",
    options: { query: ["page"], vary: ["X-Theme"], scope: "user" },
  },
];

/** All that may differ in one resource. */
const VARIANTS = ["a.test", "b.test"].flatMap((Host) =>
  ["", "?page=2"].flatMap((query) =>
    ["dark", "light"].flatMap((theme) =>
      ["7", "8"].map((user) => ({
        path: `/things/1${query}`,
        headers: { Host, "X-Theme": theme, "X-User": user },
      })),
    ),
  ),
);
const OTHER = { path: "/things/2", headers: { Host: "a.test", "X-User": "7" } };

describeDeployments("a purge on another instance", (options) => {
  it("takes all variants back, by query, field, user and host, and nothing of another resource", async () => {
    const app = await startVersioned(options(), ROUTES);
    const isMemory = (options().redis as unknown) === false;
    const other = isMemory ? app : await startVersioned(options(), ROUTES);
    for (const { path, headers } of [...VARIANTS, OTHER]) await app.warm(path, { headers });
    for (const { path, headers } of [...VARIANTS, OTHER]) {
      expect(await app.isHit(path, { headers })).toBe(true);
    }
    expect(await other.kit.cache.purge("thing", { id: 1 })).toBe(true);
    for (const { path, headers } of VARIANTS) {
      expect([path, headers, await app.isHit(path, { headers })]).toEqual([path, headers, false]);
    }
    expect(await app.isHit(OTHER.path, { headers: OTHER.headers })).toBe(true);
    expect(await other.kit.cache.purge("thing", { id: 3 })).toBe(false);
  });

  it("takes them back whichever came first, and leaves room for what comes later", async () => {
    const app = await startVersioned(options(), ROUTES);
    for (const first of [VARIANTS[0]!, VARIANTS.at(-1)!]) {
      const [one, two] = [first, VARIANTS[5]!];
      for (const { path, headers } of [one, two]) await app.warm(path, { headers });
      await app.kit.cache.purge("thing", { id: 1 });
      for (const { path, headers } of [two, one]) {
        expect(await app.isHit(path, { headers })).toBe(false);
      }
      await app.kit.cache.purge("thing", { id: 1 });
    }
    const settled = app.log.outcomes().filter((outcome) => outcome === "miss").length;
    await app.log.settled(settled);
    for (const { path, headers } of VARIANTS) await app.warm(path, { headers });
    for (const { path, headers } of VARIANTS) {
      expect(await app.isHit(path, { headers })).toBe(true);
    }
  });
});
