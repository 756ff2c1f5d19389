/** The core of the cases holds over every kind of connection, and behind the tier in memory. */
import { describe, it } from "@jest/globals";
import type { CacheOptions } from "express-redis-kit";
import { describeDeployments } from "../../support/deployments.ts";
import { kitCache, startWorld } from "../../support/http-cache.ts";
import { CASES, titleOf } from "./all.ts";

const CORE = CASES.filter(({ isCore }) => isCore);

describeDeployments("the core of the cases", (kitOptions) => {
  it.each(CORE.map((item) => [titleOf(item), item] as const))("%s", async (_title, item) => {
    const options = { ttl: "origin", ...item.options } as CacheOptions;
    await item.run(await startWorld(() => kitCache(kitOptions(), options)));
  });
});

describe("the core of the cases, with a tier in memory", () => {
  it.each(CORE.map((item) => [titleOf(item), item] as const))("%s", async (_title, item) => {
    const options = { ttl: "origin", memory: { ttl: "1h" }, ...item.options } as CacheOptions;
    await item.run(await startWorld(() => kitCache({ redis: false }, options)));
  });
});
