import { expect, it } from "@jest/globals";
import { expectTypeOf } from "expect-type";
import { cache } from "express-redis-kit";
import { makeKit } from "../support/kit.ts";

interface Stats {
  readonly sold: number;
  readonly names: string[];
}

it("cache.wrap answers what its loader promises: T in, T out", async () => {
  const kit = makeKit({ redis: false });
  const stats: Stats = { sold: 1, names: ["a"] };
  const value = await kit.cache.wrap("stats", async () => stats);
  expectTypeOf(value).toEqualTypeOf<Stats>();
  const maybe = await kit.cache.wrap("maybe", async (): Promise<Stats | null> => null);
  expectTypeOf(maybe).toEqualTypeOf<Stats | null>();
  const bytes = await kit.cache.wrap("bytes", async () => Buffer.from("x"));
  expectTypeOf(bytes).toExtend<Uint8Array>();
  expect([value, maybe, bytes]).toEqual([stats, null, Buffer.from("x")]);
  const parameter = <T>(loader: () => Promise<T>): Promise<T> => kit.cache.wrap("any", loader);
  expectTypeOf(parameter<Stats>).returns.resolves.toEqualTypeOf<Stats>();
});

it("its options are those of values only", () => {
  type Options = NonNullable<Parameters<typeof cache.wrap>[2]>;
  expectTypeOf<{ params: { id: number }; ttl: "5m"; tags: string[] }>().toExtend<Options>();
  expectTypeOf<{ stale: "5m"; staleIfError: number; collapse: false }>().toExtend<Options>();
  expectTypeOf<Options>().not.toHaveProperty("scope");
  expectTypeOf<Options>().not.toHaveProperty("query");
  expectTypeOf<Options>().not.toHaveProperty("vary");
  expect(typeof cache.wrap).toBe("function");
});
