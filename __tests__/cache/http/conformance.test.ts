/** `cache({ ttl: 'origin' })` keeps what the RFCs ask of a shared cache: every case, in memory. */
import { describe, expect, it } from "@jest/globals";
import type { CacheOptions } from "express-redis-kit";
import { kitCache, startWorld } from "../../support/http-cache.ts";
import { CASES, titleOf, TOPICS } from "./all.ts";

describe.each(Object.entries(TOPICS))("%s", (_topic, cases) => {
  it.each(cases.map((item) => [titleOf(item), item] as const))("%s", async (_title, item) => {
    const { run, options, deviation } = item;
    const all = { ttl: "origin", ...options } as CacheOptions;
    const world = await startWorld(() => kitCache({ redis: false }, all));
    if (deviation === undefined) await run(world);
    else await expect(run(world)).rejects.toHaveProperty("code", "ERR_ASSERTION");
  });
});

it("no two cases have one title", () => {
  const titles = CASES.map(titleOf);
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
});
