/** How long a session lives: its cookie's expiry, and the store's. */
import { describe, expect, it } from "@jest/globals";
import { until } from "../../support/redis-server.ts";
import {
  attributesOf,
  dataOf,
  describeMakers,
  expiryOf,
  type Options,
  type Route,
  type Visitor,
} from "../../support/session-conformance.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LAZY: Options = { resave: false, saveUninitialized: false };
const HOURLY: Options = { ...LAZY, cookie: { maxAge: HOUR } };

/** What an app does to the cookie of a session, and the hours that it lives then; 24 are a browser session's. */
const CHANGES: readonly [string, (cookie: Express.Request["session"]["cookie"]) => void, number][] =
  [
    ["maxAge = 2 h", (cookie) => (cookie.maxAge = 2 * HOUR), 2],
    ["expires in 3 h", (cookie) => (cookie.expires = new Date(Date.now() + 3 * HOUR)), 3],
    ["originalMaxAge = 4 h", (cookie) => (cookie.originalMaxAge = 4 * HOUR), 4],
    ["expires = null", (cookie) => (cookie.expires = null), 24],
    ["expires = false", (cookie) => (cookie.expires = false as never), 24],
    ["maxAge = null", (cookie) => (cookie.maxAge = null as never), 24],
  ];

const cookieOf: Route = (req, res) => {
  const { cookie } = req.session;
  const { maxAge, originalMaxAge, expires } = cookie;
  res.json({ maxAge, originalMaxAge, expires, isDate: expires instanceof Date });
};

/** What a session's cookie says of its time, to a request that only looks. */
async function timesOf(visitor: Visitor) {
  const { text } = await visitor.get("/cookie");
  return JSON.parse(text) as {
    maxAge: number | null;
    originalMaxAge: number | null;
    expires: string | null;
    isDate: boolean;
  };
}

const hours = (ms: number): number => Math.round(ms / HOUR);

describeMakers("a session's lifetime", (maker) => {
  describe("in the store", () => {
    it.each([
      ["24 h without a maxAge", LAZY, 24],
      ["its maxAge", HOURLY, 1],
      ["its expires", { ...LAZY, cookie: { expires: new Date(Date.now() + 2 * HOUR) } }, 2],
    ])("is %s", async (_title, options, expected) => {
      const visitor = await maker.start(options);
      await visitor.get("/set?n=1");
      expect(hours(await maker.ttl())).toBe(expected);
    });

    it.each([
      ["24 h", LAZY, 24],
      ["its maxAge", HOURLY, 1],
    ])("is %s again after a request that changed nothing", async (_title, options, expected) => {
      const visitor = await maker.start(options);
      await visitor.get("/set?n=1");
      const [key] = await maker.keys();
      await maker.server().client.pexpire(key!, MINUTE);
      await visitor.get("/see");
      await until(async () => hours(await maker.ttl()) === expected, "the expiry has moved");
    });

    it("does not move for a request without the session", async () => {
      const visitor = await maker.start(LAZY);
      await visitor.get("/set?n=1");
      const [key] = await maker.keys();
      await maker.server().client.pexpire(key!, MINUTE);
      await visitor.other().get("/see");
      expect(await maker.ttl()).toBeLessThanOrEqual(MINUTE);
    });

    it("follows a maxAge that a request sets without changing anything else", async () => {
      const visitor = await maker.start(LAZY, {
        "/short": (req, res) => {
          req.session.cookie.maxAge = HOUR;
          res.end();
        },
      });
      await visitor.get("/set?n=1");
      await visitor.get("/short");
      await until(async () => hours(await maker.ttl()) === 1, "the expiry has moved", 2_000);
    });

    it("ends: the next request has another session", async () => {
      const visitor = await maker.start({ ...LAZY, cookie: { maxAge: 1_000 } });
      const { id } = await visitor.get("/set?n=1");
      await until(async () => (await maker.keys()).length === 0, "the session is gone");
      const seen = await visitor.see();
      expect(seen.data).toEqual({});
      expect(seen.id).not.toBe(id);
    });
  });

  describe("to an app", () => {
    it("counts down from maxAge", async () => {
      const visitor = await maker.start(HOURLY, { "/cookie": cookieOf });
      await visitor.get("/set?n=1");
      const times = await timesOf(visitor);
      expect(hours(times.originalMaxAge as number)).toBe(1); // Of express-session, now and then a millisecond less.
      expect(times.isDate).toBe(true);
      expect(times.maxAge).toBeLessThanOrEqual(HOUR);
      expect(times.maxAge).toBeGreaterThan(HOUR - MINUTE);
    });

    it("starts again at the end of a request, whatever was left of it", async () => {
      const visitor = await maker.start(HOURLY, {
        "/late": (req, res) => {
          dataOf(req)["n"] = 2;
          req.session.cookie.expires = new Date(Date.now() + MINUTE);
          req.session.cookie.originalMaxAge = HOUR;
          res.end();
        },
      });
      await visitor.get("/set?n=1");
      const { line } = await visitor.get("/late");
      expect(hours(expiryOf(line))).toBe(1);
      expect(hours(await maker.ttl())).toBe(1);
    });

    it("has no end without a maxAge", async () => {
      const visitor = await maker.start(LAZY, { "/cookie": cookieOf });
      const { line } = await visitor.get("/set?n=1");
      expect(attributesOf(line)).not.toContain("Expires");
      const nothing = { maxAge: null, originalMaxAge: null, expires: null, isDate: false };
      expect(await timesOf(visitor)).toEqual(nothing);
    });

    it.each(["touch", "resetMaxAge"] as const)("%s() starts it again", async (method) => {
      const visitor = await maker.start(HOURLY, {
        "/reset": (req, res) => {
          const { cookie } = req.session;
          cookie.expires = new Date(Date.now() + MINUTE);
          cookie.originalMaxAge = HOUR;
          const short = cookie.maxAge!;
          const isChained = req.session[method]() === req.session;
          res.json([short <= MINUTE, cookie.maxAge! > HOUR - MINUTE, isChained]);
        },
      });
      await visitor.get("/set?n=1");
      expect((await visitor.get("/reset")).text).toBe("[true,true,true]");
    });

    it("takes a number of milliseconds only", async () => {
      const visitor = await maker.start(HOURLY, {
        "/bad": (req, res) => {
          req.session.cookie.maxAge = "soon" as never;
          res.end();
        },
      });
      const { status, text } = await visitor.get("/bad");
      expect([status, text]).toEqual([500, "TypeError: maxAge must be a number or Date"]);
    });
  });

  describe.each([
    ["a browser session", LAZY],
    ["an hour's session", HOURLY],
  ])("changed by the app, in %s", (_title, options) => {
    it.each(CHANGES)("%s", async (_name, change, expected) => {
      const visitor = await maker.start(options, {
        "/cookie": cookieOf,
        "/change": (req, res) => {
          dataOf(req)["changed"] = true;
          change(req.session.cookie);
          res.end();
        },
      });
      await visitor.get("/set?n=1");
      await visitor.get("/change");
      expect(hours(await maker.ttl())).toBe(expected);
      const times = await timesOf(visitor);
      const isEndless = expected === 24;
      expect(hours(times.maxAge || 0)).toBe(isEndless ? 0 : expected);
      const { line } = await visitor.get("/set?n=2");
      // `false` is not null, so express-session takes it for an expiry that moves, and sends the cookie.
      if (isEndless) expect(attributesOf(line)).not.toContain("Expires");
      else expect(hours(expiryOf(line))).toBe(expected);
    });

    it("in its first request", async () => {
      const visitor = await maker.start(options, {
        "/first": (req, res) => {
          dataOf(req)["n"] = 1;
          req.session.cookie.maxAge = 3 * DAY;
          res.end();
        },
      });
      const { line } = await visitor.get("/first");
      expect(hours(expiryOf(line))).toBe(72);
      expect(hours(await maker.ttl())).toBe(72);
    });
  });

  // The kit stores it and tells the client, as one who changes it expects.
  it("a changed cookie alone is no change of the session: the next request has the old one", async () => {
    const visitor = await maker.start(HOURLY, {
      "/cookie": cookieOf,
      "/long": (req, res) => {
        req.session.cookie.maxAge = 3 * HOUR;
        res.end();
      },
    });
    await visitor.get("/set?n=1");
    const writes = await maker.writes();
    const { line } = await visitor.get("/long");
    expect(line !== undefined).toBe(maker.isKit);
    expect(hours((await timesOf(visitor)).originalMaxAge as number)).toBe(maker.isKit ? 3 : 1);
    expect((await maker.writes()) > writes).toBe(maker.isKit);
  });
});
