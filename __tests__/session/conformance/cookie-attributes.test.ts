/** What a session's cookie says, and when it may be sent at all. */
import { expect, it } from "@jest/globals";
import type { Request } from "express";
import {
  attributesOf,
  type CookieGiven,
  describeMakers,
  expiryOf,
  type Options,
  type Route,
} from "../../support/session-conformance.ts";

const HOUR = 3_600_000;

/** Options, and all attributes that the cookie then has, over plain http. */
const ATTRIBUTES: readonly [CookieGiven, string[]][] = [
  [{}, ["HttpOnly", "Path=/"]],
  [{ httpOnly: true }, ["HttpOnly", "Path=/"]],
  [{ httpOnly: false }, ["Path=/"]],
  [{ path: "/s" }, ["HttpOnly", "Path=/s"]],
  [{ domain: "example.com" }, ["Domain=example.com", "HttpOnly", "Path=/"]],
  [{ maxAge: HOUR }, ["Expires", "HttpOnly", "Path=/"]],
  [{ expires: new Date(Date.now() + HOUR) }, ["Expires", "HttpOnly", "Path=/"]],
  [{ sameSite: true }, ["HttpOnly", "Path=/", "SameSite=Strict"]],
  [{ sameSite: "strict" }, ["HttpOnly", "Path=/", "SameSite=Strict"]],
  [{ sameSite: "lax" }, ["HttpOnly", "Path=/", "SameSite=Lax"]],
  [{ sameSite: false }, ["HttpOnly", "Path=/"]],
  [{ sameSite: "auto" }, ["HttpOnly", "Path=/", "SameSite=Lax"]],
  [{ partitioned: true }, ["HttpOnly", "Partitioned", "Path=/"]],
  [{ partitioned: false }, ["HttpOnly", "Path=/"]],
  [{ priority: "low" }, ["HttpOnly", "Path=/", "Priority=Low"]],
  [{ priority: "high" }, ["HttpOnly", "Path=/", "Priority=High"]],
  [{ secure: false }, ["HttpOnly", "Path=/"]],
  [{ secure: "auto" }, ["HttpOnly", "Path=/"]],
];

type Sent = "nothing" | "plain" | "Secure";

/** `cookie.secure`, `proxy`, Express's `trust proxy`, X-Forwarded-Proto, and what is sent over plain http. */
const SECURE: readonly [true | "auto", boolean | undefined, boolean, string | undefined, Sent][] = [
  [true, undefined, false, undefined, "nothing"],
  [true, undefined, false, "https", "nothing"],
  [true, undefined, true, "https", "Secure"],
  [true, undefined, true, "http", "nothing"],
  [true, true, false, "https", "Secure"],
  [true, true, false, "HTTPS", "Secure"],
  [true, true, false, "https, http", "Secure"],
  [true, true, false, "http, https", "nothing"],
  [true, true, false, undefined, "nothing"],
  [true, false, true, "https", "nothing"],
  ["auto", undefined, false, "https", "plain"],
  ["auto", undefined, true, "https", "Secure"],
  ["auto", undefined, true, undefined, "plain"],
  ["auto", true, false, "https", "Secure"],
  ["auto", true, false, "http", "plain"],
  ["auto", false, true, "https", "plain"],
];

describeMakers("the cookie's attributes", (maker) => {
  /** The kit adds SameSite=Lax where nothing is said of it. */
  const completed = (cookie: CookieGiven, attributes: string[]): string[] =>
    maker.hasDefaults && !("sameSite" in cookie)
      ? [...attributes, "SameSite=Lax"].toSorted()
      : attributes;

  it.each(ATTRIBUTES)("%j", async (cookie, attributes) => {
    const route: Route = (req, res) => void res.json(Object.assign(req.session, { n: 1 }));
    const { line } = await (await maker.start({ cookie }, { "/s/set": route })).get("/s/set");
    expect(attributesOf(line)).toEqual(completed(cookie, attributes));
  });

  it.each(["maxAge", "expires"] as const)("%s is when it expires", async (name) => {
    const value = name === "maxAge" ? HOUR : new Date(Date.now() + HOUR);
    const visitor = await maker.start({ cookie: { [name]: value } });
    const expiry = expiryOf((await visitor.get("/set?n=1")).line);
    expect(expiry).toBeGreaterThan(HOUR - 60_000);
    expect(expiry).toBeLessThanOrEqual(HOUR);
  });

  it.each(SECURE)(
    "secure %p, proxy %p, trust proxy %p, X-Forwarded-Proto %p: %s",
    async (secure, proxy, trustProxy, proto, sent) => {
      const options: Options = { cookie: { secure }, ...(proxy !== undefined && { proxy }) };
      const visitor = await maker.start(options, {}, { trustProxy });
      const headers = proto === undefined ? {} : { "X-Forwarded-Proto": proto };
      const { line, status } = await visitor.get("/set?n=1", { headers });
      expect(status).toBe(200);
      if (sent === "nothing") expect(line).toBeUndefined();
      else expect(attributesOf(line).includes("Secure")).toBe(sent === "Secure");
    },
  );

  it("sameSite 'auto' is None over https", async () => {
    const cookie: CookieGiven = { sameSite: "auto", secure: "auto" };
    const visitor = await maker.start({ cookie, proxy: true });
    const headers = { "X-Forwarded-Proto": "https" };
    const { line } = await visitor.get("/set?n=1", { headers });
    expect(attributesOf(line)).toEqual(["HttpOnly", "Path=/", "SameSite=None", "Secure"]);
  });

  it("a function answers the attributes for its request", async () => {
    const cookie = (req: Request): CookieGiven => ({
      maxAge: HOUR * Number(req.headers["x-hours"]),
      priority: "low",
      sameSite: "strict",
    });
    const visitor = await maker.start({ cookie });
    for (const hours of [2, 5]) {
      const headers = { "X-Hours": String(hours) };
      const { line } = await visitor.other().get("/set?n=1", { headers });
      expect(attributesOf(line)).toEqual([
        "Expires",
        "HttpOnly",
        "Path=/",
        "Priority=Low",
        "SameSite=Strict",
      ]);
      expect(Math.round(expiryOf(line) / HOUR)).toBe(hours);
    }
  });

  it("an app changes them for one session, for good", async () => {
    const visitor = await maker.start(
      { cookie: { maxAge: HOUR } },
      {
        "/remember": (req, res) => {
          Object.assign(req.session, { n: 1 });
          req.session.cookie.maxAge = 3 * HOUR;
          req.session.cookie.sameSite = "strict";
          res.end();
        },
      },
    );
    await visitor.get("/remember");
    const { line } = await visitor.get("/set?n=2");
    expect(attributesOf(line)).toEqual(["Expires", "HttpOnly", "Path=/", "SameSite=Strict"]);
    expect(Math.round(expiryOf(line) / HOUR)).toBe(3);
  });
});
