/** In whatever order the middlewares of one kit are mounted, a request gets what it would from kits that are apart. */
import { it } from "@jest/globals";
import type { Kit, Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { expectSame, serveBothWays, tellOf, type Way } from "../support/both-ways.ts";
import type { RawOptions } from "../support/raw.ts";
import { PATH, toldSession } from "../support/stack.ts";

const PARTS: Readonly<Record<string, (kit: () => Kit) => Middleware[]>> = {
  limiter: (kit) => [kit().rateLimit()],
  session: (kit) => toldSession(kit()),
  second: (kit) => [kit().rateLimit("second", { limit: 9 })],
  cache: (kit) => [kit().cache("brand:settings", { scope: "public" })],
};

function permutations(names: readonly string[]): string[][] {
  if (names.length === 0) return [[]];
  return names.flatMap((name) =>
    permutations(names.filter((other) => other !== name)).map((rest) => [name, ...rest]),
  );
}

/** Cold and warm, signed in and not, on two paths, until the second limiter refuses. */
async function play({ ask, signIn, rest }: Way): Promise<unknown[]> {
  const seen: unknown[] = [];
  const cookie = await signIn();
  /** Of one path after the other. After a miss, its response is stored. */
  const turns: [string, (string | undefined)[], RawOptions?][] = [
    [PATH, [cookie, cookie, undefined]],
    [PATH, [cookie], { method: "HEAD" }],
    ["/brands/7/settings", [cookie, undefined, cookie]],
    [PATH, [cookie, cookie, undefined, cookie]],
  ];
  for (const [path, cookies, options] of turns) {
    for (const each of cookies) {
      seen.push(tellOf(await ask(each, { path, ...options })));
      if (seen.length % 4 === 1) await rest();
    }
  }
  return seen;
}

describeBackends("orders", (backend) => {
  const options = () => ({ ...backend.options(), deadline: "10s" });

  const all = permutations(Object.keys(PARTS)).map((order) => [order.join(", "), order] as const);
  // In memory there is nothing to wait for: some of them will do.
  it.each(all.filter((_order, index) => backend.name === "redis" || index % 5 === 0))(
    "%s",
    async (_title, order) => {
      const ways = await serveBothWays(options(), (kit) =>
        order.flatMap((name) => PARTS[name]!(kit)),
      );
      await expectSame(ways, play);
    },
  );

  it.each<[string, string[]]>([
    ["the limiter", ["limiter", "limiter", "session", "cache"]],
    ["the session", ["session", "limiter", "session", "cache"]],
    ["the second limiter", ["limiter", "second", "session", "second", "cache"]],
    ["the cache, of which the outer one answers", ["limiter", "cache", "session", "cache"]],
  ])("the same twice: %s", async (_title, order) => {
    const made = new Map<string, Middleware[]>();
    const ways = await serveBothWays(options(), (kit) => {
      made.clear();
      return order.flatMap((name) => {
        const known = made.get(name) ?? PARTS[name]!(kit);
        made.set(name, known);
        return known;
      });
    });
    await expectSame(ways, play);
  });
});
