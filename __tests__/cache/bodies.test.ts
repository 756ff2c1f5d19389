import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { EXPRESS_SHAPES, type Shape, SHAPES } from "../support/body-shapes.ts";
import { essenceOf, ShapeServer } from "../support/body-ways.ts";
import type { RawReply } from "../support/raw.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type Handler, SHELLS } from "../support/shells.ts";

const EXPRESS: Record<string, Shape> = Object.fromEntries(
  Object.entries(EXPRESS_SHAPES).map(([name, answer]) => [name, { answer: answer as Handler }]),
);

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

let namespaces = 0;
const PLACES = {
  "in memory": (): KitOptions => ({ redis: false }),
  "in memory, with a tier": (): KitOptions => ({ redis: false, cache: { memory: {} } }),
  "on redis-server": (): KitOptions => ({ redis: redis.url, namespace: `n${namespaces++}` }),
  "on redis-server, with a tier in memory": (): KitOptions => ({
    redis: redis.url,
    namespace: `n${namespaces++}`,
    cache: { memory: {} },
  }),
};

/** Each shell, and each place, more than once; all pairs of them would say the same. */
const PAIRS: readonly [string, keyof typeof PLACES][] = [
  ["node:http", "in memory"],
  ["node:http", "on redis-server, with a tier in memory"],
  ["Express 5", "in memory, with a tier"],
  ["Express 5", "on redis-server"],
  ["Express 4", "on redis-server, with a tier in memory"],
  ["connect", "on redis-server"],
];

function said({ headers }: RawReply): string {
  return String(headers["cache-status"]);
}

/** The fields of an entry that a HEAD request must get as well. */
function fieldsOf({ headers }: RawReply): Record<string, unknown> {
  const { date: _date, age: _age, "cache-status": _status, ...rest } = headers;
  return rest;
}

describe.each(PAIRS)("under %s, %s, the same bytes", (shellName, place) => {
  const shell = SHELLS.find(({ name }) => name === shellName)!;
  const shapes: Readonly<Record<string, Shape>> = shell.isExpress
    ? { ...SHAPES, ...EXPRESS }
    : SHAPES;
  const stored = Object.keys(shapes).filter((name) => shapes[name]!.isRefused !== true);
  const refused = Object.keys(shapes).filter((name) => shapes[name]!.isRefused === true);

  let server: ShapeServer;
  beforeAll(async () => {
    server = new ShapeServer(shell, shapes, PLACES[place]());
    await server.listen();
  });
  afterAll(() => server.close());

  it.each(stored)("leave on a miss, on hits, stale, and refreshed: %s", async (name) => {
    const { stage, kit } = server;
    const template = server.template("stale", name);
    stage.version = 1;
    const bare = await server.ask("bare", name);
    const expected = essenceOf(bare);
    const miss = await server.ask("stale", name);
    expect(said(miss)).toMatch(/fwd=miss/);
    expect(essenceOf(miss)).toEqual(expected);
    await server.settled(template, 1);
    const hit = await server.ask("stale", name);
    expect(said(hit)).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
    expect(essenceOf(hit)).toEqual(expected);
    expect(bare.headers["etag"] ?? hit.headers["etag"]).toBe(hit.headers["etag"]);
    const head = await server.ask("stale", name, "HEAD");
    // compression() leaves HEAD alone.
    const isZipped = hit.headers["content-encoding"] !== undefined;
    expect(isZipped ? fieldsOf(hit) : fieldsOf(head)).toEqual(fieldsOf(hit));
    expect(head.body).toHaveLength(0);

    stage.version = 2;
    expect(await kit.cache.expire(template)).toBe(true);
    const stale = await server.ask("stale", name);
    expect(said(stale)).toMatch(/^express-redis-kit; hit; ttl=(0|-\d+)/);
    expect(essenceOf(stale)).toEqual(expected);
    expect(stale.headers["x-version"]).toBe("1");
    await server.settled(template, 2);
    const refreshed = await server.ask("stale", name);
    expect(said(refreshed)).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
    expect(essenceOf(refreshed)).toEqual(expected);
    expect(refreshed.headers["x-version"]).toBe("2");
    expect(fieldsOf({ ...refreshed, headers: { ...refreshed.headers, "x-version": "1" } })).toEqual(
      fieldsOf(hit),
    );
  });

  it.each(stored)("leave for a follower, and in the place of a failure: %s", async (name) => {
    const { stage, kit } = server;
    const template = server.template("error", name);
    stage.version = 1;
    const expected = essenceOf(await server.ask("bare", name));
    const [leader, follower] = await server.together("error", name);
    expect(essenceOf(leader)).toEqual(expected);
    expect(essenceOf(follower)).toEqual(expected);
    expect(said(follower)).toMatch(/; collapsed/);
    await server.settled(template, 1);
    expect(await kit.cache.expire(template)).toBe(true);
    stage.isFailing = true;
    const failed = await server.ask("error", name);
    stage.isFailing = false;
    expect(essenceOf(failed)).toEqual(expected);
    expect(said(failed)).toMatch(/fwd=stale; fwd-status=503; detail=stale-if-error/);
  });

  it.each(refused)("pass, and are never stored: %s", async (name) => {
    const { stage } = server;
    stage.version = 1;
    const expected = essenceOf(await server.ask("bare", name));
    const runs = stage.runs;
    const replies = [
      await server.ask("stale", name),
      ...(await server.together("stale", name)),
      ...(await server.together("error", name)),
    ];
    for (const reply of replies) {
      expect(essenceOf(reply)).toEqual(expected);
      expect(said(reply)).not.toMatch(/hit|stored|collapsed/);
    }
    expect(stage.runs - runs).toBe(5);
    const head = await server.ask("stale", name, "HEAD");
    expect(essenceOf(head)).toEqual(essenceOf(await server.ask("bare", name, "HEAD")));
    expect(server.told(server.template("stale", name), "stored")).toBe(0);
  });
});
