/** When a session's cookie is sent, and which of a client's cookies are believed. */
import { describe, expect, it } from "@jest/globals";
import {
  describeMakers,
  idOf,
  type Maker,
  type Options,
  type Route,
  SECRET,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };
const HOUR = 3_600_000;

/** Options, the second request's path, and whether its answer has the cookie. */
const SECOND: readonly [Options, string, boolean][] = [
  [LAZY, "/see", false],
  [LAZY, "/set?n=2", false],
  [{ resave: true, saveUninitialized: true }, "/see", false],
  [{ ...LAZY, cookie: { maxAge: HOUR } }, "/see", false],
  [{ ...LAZY, cookie: { maxAge: HOUR } }, "/set?n=1", false],
  [{ ...LAZY, cookie: { maxAge: HOUR } }, "/set?n=2", true],
  [{ ...LAZY, rolling: true }, "/see", true],
  [{ ...LAZY, rolling: true, cookie: { maxAge: HOUR } }, "/see", true],
  [{ ...LAZY, rolling: false, cookie: { maxAge: HOUR } }, "/see", false],
];

/** What a client makes of its signed cookie, and whether that is its session. */
const CLAIMS: readonly [string, (name: string, value: string) => string, boolean][] = [
  ["as it was given", (name, value) => `${name}=${value}`, true],
  ["quoted", (name, value) => `${name}="${value}"`, true],
  ["not percent-encoded", (name, value) => `${name}=${decodeURIComponent(value)}`, true],
  ["between others", (name, value) => `a=1; ${name}=${value}; b=2`, true],
  ["without spaces", (name, value) => `a=1;${name}=${value};b=2`, true],
  ["first of two", (name, value) => `${name}=${value}; ${name}=s%3Ano.no`, true],
  ["second of two", (name, value) => `${name}=s%3Ano.no; ${name}=${value}`, false],
  ["of another name", (name, value) => `${name}x=${value}`, false],
  ["of another case", (name, value) => `${name.toUpperCase()}=${value}`, false],
  ["unsigned", (name, value) => `${name}=${idOf(`${name}=${value}`)}`, false],
  ["unsigned, marked as signed", (name, value) => `${name}=s%3A${idOf(`=${value}`)}`, false],
  ["with another's signature", (name, value) => `${name}=${value.slice(0, -3)}AAA`, false],
  ["with a longer signature", (name, value) => `${name}=${value}A`, false],
  ["with an empty signature", (name, value) => `${name}=${value.replace(/\..*/, ".")}`, false],
  ["with another id", (name, value) => `${name}=${value.replace("s%3A", "s%3Ax")}`, false],
  ["without its mark", (name, value) => `${name}=${value.replace("s%3A", "")}`, false],
  ["with a bad escape", (name, value) => `${name}=%E0%A4%A${value}`, false],
  ["empty", (name) => `${name}=`, false],
  ["only its mark", (name) => `${name}=s%3A`, false],
  ["garbage", (name) => `${name}=;;=;\u00ff%`, false],
];

/** A client of an app with a stored session. */
async function started(maker: Maker, options: Options = LAZY, routes: Record<string, Route> = {}) {
  const visitor = await maker.start(options, routes);
  const { id, line } = await visitor.get("/set?n=1");
  return { visitor, id: id!, line: line! };
}

describeMakers("the cookie", (maker) => {
  describe("is sent", () => {
    it("with the first change, and names the stored session", async () => {
      const { visitor, id, line } = await started(maker);
      expect(line).toMatch(/^(connect\.)?sid=s%3A[^.;]+\.[^;]+; Path=\//);
      expect(await maker.stored(id)).toMatchObject({ n: "1", cookie: { path: "/" } });
      expect(await visitor.see()).toEqual({ id, data: { n: "1" } });
    });

    it("under the name that is asked for", async () => {
      const { visitor, line } = await started(maker, { ...LAZY, name: "my-app.session" });
      expect(line).toMatch(/^my-app\.session=s%3A/);
      expect((await visitor.see()).data).toEqual({ n: "1" });
    });

    it.each(SECOND)("%j, then %s: %p", async (options, path, isSent) => {
      const { visitor, id } = await started(maker, options);
      const second = await visitor.get(path);
      expect(second.id).toBe(isSent ? id : undefined);
    });

    it.each([
      [true, true],
      [false, false],
    ])("for an empty session, with saveUninitialized %p: %p", async (saveUninitialized, isSent) => {
      const visitor = await maker.start({ resave: false, rolling: true, saveUninitialized });
      expect((await visitor.get("/see")).line !== undefined).toBe(isSent);
      expect(await maker.keys()).toHaveLength(isSent ? 1 : 0);
    });

    it("or not, for an empty session where nothing is said of that", async () => {
      const visitor = await maker.start();
      const { line } = await visitor.get("/see");
      // The kit's default is not to store empty sessions.
      expect(line !== undefined).toBe(!maker.hasDefaults);
    });
  });

  it("stays beside the app's own", async () => {
    const routes: Record<string, Route> = {
      "/one": (req, res) => void res.setHeader("Set-Cookie", "a=1").json(change(req)),
      "/two": (req, res) => void res.setHeader("Set-Cookie", ["a=1", "b=2"]).json(change(req)),
      "/cookie": (req, res) => void res.cookie("a", "1").cookie("b", "2").json(change(req)),
      "/head": (req, res) => {
        change(req);
        res.writeHead(200, { "Set-Cookie": ["a=1", "b=2"] }).end();
      },
      "/clear": (req, res) => void res.clearCookie("a").json(change(req)),
    };
    const change = (req: object) => Object.assign((req as { session: object }).session, { n: 1 });
    const visitor = await maker.start(LAZY, routes);
    const names: Record<string, string[]> = {
      "/one": ["a"],
      "/two": ["a", "b"],
      "/cookie": ["a", "b"],
      "/head": ["a", "b"],
      "/clear": ["a"],
    };
    for (const [path, own] of Object.entries(names)) {
      const { lines } = await visitor.other().get(path);
      expect(lines.map((line) => line.split("=", 1)[0])).toEqual([...own, maker.cookieName]);
    }
  });

  describe("is believed", () => {
    it.each(CLAIMS)("%s", async (_title, claim, isBelieved) => {
      const { visitor, id } = await started(maker);
      const value = visitor.cookie.slice(visitor.cookie.indexOf("=") + 1);
      const seen = await visitor.other(claim(visitor.name, value)).see();
      expect(seen.data).toEqual(isBelieved ? { n: "1" } : {});
      expect(seen.id === id).toBe(isBelieved);
    });

    it("not where its session is gone: the next one has another id", async () => {
      const { visitor, id } = await started(maker);
      await maker.server().client.flushall();
      const reply = await visitor.get("/set?n=2");
      expect(reply.id).toBeDefined();
      expect(reply.id).not.toBe(id);
    });

    it("not where its session is gone, and an empty one sends no cookie", async () => {
      const { visitor } = await started(maker);
      await maker.server().client.flushall();
      const { line, id } = await visitor.get("/see");
      expect(id).toBeUndefined();
      // The kit takes a cookie back that names nothing any more; express-session leaves it.
      if (maker.isKit) expect(line).toMatch(/=; .*Expires=Thu, 01 Jan 1970/);
      else expect(line).toBeUndefined();
    });
  });

  describe("and secrets", () => {
    it("the first of several signs, each of them verifies", async () => {
      const old = (await started(maker, { ...LAZY, secret: "old" })).visitor;
      const both = await maker.start({ ...LAZY, secret: ["new", "old"] });
      const reader = both.other(old.cookie);
      expect((await reader.see()).data).toEqual({ n: "1" });
      const fresh = both.other();
      await fresh.get("/set?n=2");
      const only = await maker.start({ ...LAZY, secret: ["new"] });
      expect((await only.other(fresh.cookie).see()).data).toEqual({ n: "2" });
      expect((await only.other(old.cookie).see()).data).toEqual({});
    });

    it("another one makes a cookie nobody's", async () => {
      const { visitor } = await started(maker, { ...LAZY, secret: `${SECRET}!` });
      const app = await maker.start(LAZY);
      expect((await app.other(visitor.cookie).see()).data).toEqual({});
    });
  });

  describe("outside of its path", () => {
    const look: Route = (req, res) =>
      void res.json([typeof (req as { session?: object }).session, typeof req.sessionStore]);
    const options: Options = { ...LAZY, cookie: { path: "/app" } };

    it.each([
      ["/app", "object"],
      ["/app/deep", "object"],
      ["/apple", "object"],
      ["/app?x=/", "object"],
      ["/", "undefined"],
      ["/other/app", "undefined"],
      ["/?/app", "undefined"],
    ])("%s has a session: %s", async (path, type) => {
      const visitor = await maker.start(options, { "/{*any}": look });
      const { text, line } = await visitor.get(path);
      expect(JSON.parse(text)).toEqual([type, type]);
      expect(line).toBeUndefined();
    });
  });
});
