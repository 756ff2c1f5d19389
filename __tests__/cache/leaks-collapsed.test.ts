import { describe, expect, it } from "@jest/globals";
import expressSession from "express-session";
import onHeaders from "on-headers";
import type { Request, RequestHandler } from "express";
import type { Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit } from "../support/kit.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";
import { type PageParts, serveTold, tellPerson } from "../support/told-page.ts";

/** All of a reply, but for what the middleware before the cache said. */
function contentOf({ status, headers, body }: RawReply): string {
  const { "x-request-id": _id, ratelimit: _limit, date: _date, ...rest } = headers;
  return JSON.stringify([status, rest, body.toString()]);
}

function expectOwn(reply: RawReply, person: string, others: readonly string[]): void {
  expect(reply.headers["x-request-id"]).toBe(`outer-${person}`);
  expect(reply.headers["ratelimit"]).toBe(`"api";r=outer-${person}`);
  for (const other of others) expect(contentOf(reply)).not.toContain(other);
}

const lateCookie: RequestHandler = (req, res, next) => {
  const person = req.get("X-Person")!;
  onHeaders(res, () => res.setHeader("Set-Cookie", `late=${person}`));
  next();
};

const answered =
  (fields: Record<string, string>, status = 200): NonNullable<PageParts["answer"]> =>
  (res, person) =>
    tellPerson(res.status(status).set(fields), person);

/** Why what a leader renders is nobody else's; each with the stack that makes it so. */
const PERSONAL: readonly [string, (kit: Kit) => PageParts][] = [
  ["sets a cookie", () => ({ answer: answered({ "Set-Cookie": "a=1" }) })],
  ["gets a cookie from a middleware before the cache", () => ({ before: [lateCookie] })],
  ["gets a cookie from a middleware after the cache", () => ({ after: [lateCookie] })],
  [
    "gets a session from express-session",
    () => ({
      options: { scope: "public" },
      before: [expressSession({ secret: "s", resave: false, saveUninitialized: true })],
    }),
  ],
  [
    "begins a session, for a CSRF token",
    (kit) => ({
      options: { scope: "public" },
      before: [kit.session() as RequestHandler],
      answer: (res, person) => {
        Object.assign(res.req.session, { csrf: `token-${person}` });
        tellPerson(res, person);
      },
    }),
  ],
  [
    "reads its session",
    (kit) => ({
      before: [kit.session() as RequestHandler],
      answer: (res, person) => {
        expect(res.req.session.userId).toBeUndefined();
        tellPerson(res, person);
      },
    }),
  ],
  [
    "reads its session, which comes after the cache",
    (kit) => ({
      after: [kit.session() as RequestHandler],
      answer: (res, person) => {
        expect(res.req.session.userId).toBeUndefined();
        tellPerson(res, person);
      },
    }),
  ],
  ["is private", () => ({ answer: answered({ "Cache-Control": "private, max-age=60" }) })],
  ["is not to be stored", () => ({ answer: answered({ "Cache-Control": "no-store" }) })],
  ["is not to be reused", () => ({ answer: answered({ "Cache-Control": "no-cache" }) })],
  ["varies by what is not named", () => ({ answer: answered({ Vary: "X-Person" }) })],
  ["varies by everything", () => ({ answer: answered({ Vary: "*" }) })],
  ["is forbidden", () => ({ answer: answered({}, 403) })],
  ["fails", () => ({ answer: answered({}, 500) })],
  ["is a partial one", () => ({ answer: answered({}, 206) })],
  [
    "is thrown",
    () => ({
      answer: (_res, person) => {
        throw new Error(person);
      },
    }),
  ],
  ["is too long", () => ({ options: { maxBytes: 10 } })],
  [
    "is too long, in pieces",
    () => ({
      options: { maxBytes: 15 },
      answer: (res, person) => {
        for (let index = 0; index < 5; index++) res.write(`${person} `);
        res.end();
      },
    }),
  ],
];

describe("what a leader renders", () => {
  describeBackends("with followers", (backend) => {
    const { express } = EXPRESSES[backend.name === "memory" ? 1 : 0]!;
    const kitOptions = () => ({ ...backend.options(), secret: "s" });
    /** The leader's process and the followers', which may be another one. */
    const places = backend.name === "memory" ? (["one"] as const) : (["one", "other"] as const);

    async function start(place: "one" | "other", parts: (kit: Kit) => PageParts) {
      const kit = makeKit(kitOptions());
      const other = place === "one" ? kit : makeKit(kitOptions());
      const page = await serveTold(express, kit, parts(kit));
      const far = place === "one" ? page : await serveTold(express, other, parts(other));
      page.hold(true);
      far.hold(true);
      return { page, far };
    }

    describe.each(places)("of %s process", (place) => {
      it.each(PERSONAL)("is its own where it %s", async (_name, parts) => {
        const { page, far } = await start(place, parts);
        const leader = page.ask("leader");
        await page.runs(1);
        const followers = ["robert", "carolina"].map((person) => far.ask(person));
        await far.looked(place === "one" ? 3 : 2);
        page.hold(false);
        far.hold(false);
        page.letGo();
        far.letGo();
        const [robert, carolina] = await Promise.all(followers);
        expectOwn(robert!, "robert", ["leader", "carolina"]);
        expectOwn(carolina!, "carolina", ["leader", "robert"]);
        expectOwn(await leader, "leader", ["robert", "carolina"]);
        expect([...page.begun, ...(page === far ? [] : far.begun)].toSorted()).toEqual([
          "carolina",
          "leader",
          "robert",
        ]);
      });

      it("is shared where it is storable: but not what stood before the cache", async () => {
        const { page, far } = await start(place, () => ({}));
        const leader = page.ask("leader");
        await page.runs(1);
        const followers = ["robert", "carolina"].map((person) => far.ask(person));
        await far.looked(place === "one" ? 3 : 2);
        page.letGo();
        const replies = await Promise.all([leader, ...followers]);
        for (const [index, reply] of replies.entries()) {
          expect(textOf(reply)).toBe('{"for":"leader"}');
          const person = ["leader", "robert", "carolina"][index]!;
          expect(reply.headers["x-request-id"]).toBe(`outer-${person}`);
          expect(reply.headers["ratelimit"]).toBe(`"api";r=outer-${person}`);
          if (index > 0) expect(reply.headers["cache-status"]).toMatch(/; collapsed|; hit/);
        }
        expect([...page.begun, ...(page === far ? [] : far.begun)]).toEqual(["leader"]);
      });

      it("is nobody's where its client hung up, or it was torn off", async () => {
        const { page, far } = await start(place, () => ({
          answer: (res, person) => {
            if (person !== "leader") return tellPerson(res, person);
            res.write("half of leader");
            return res.destroy();
          },
        }));
        const leader = page.ask("leader").catch(() => "torn");
        await page.runs(1);
        const follower = far.ask("robert");
        await far.looked(place === "one" ? 2 : 1);
        page.hold(false);
        far.hold(false);
        page.letGo();
        far.letGo();
        expectOwn(await follower, "robert", ["leader"]);
        expect(await leader).toBe("torn");
      });

      it.each<[string, Record<string, string>, Record<string, string>, PageParts["options"]]>([
        ["Authorization", { Authorization: "Bearer leader" }, {}, {}],
        ["an API key", { "X-API-Key": "leader" }, {}, {}],
        ["a JWT in a cookie", { Cookie: "jwt=leader" }, {}, {}],
        ["a user", { "X-User": "leader" }, {}, {}],
        ["a user of its own", { "X-User": "leader" }, { "X-User": "robert" }, { scope: "user" }],
        ["a user, and nobody", { "X-User": "leader" }, {}, { scope: "user" }],
        [
          "a tenant of its own",
          { "X-Tenant": "north" },
          { "X-Tenant": "south" },
          { scope: (req: Request) => req.get("X-Tenant") },
        ],
        ["another host", { Host: "forged.test" }, {}, { scope: "public" }],
        [
          "another theme",
          { "X-Theme": "dark" },
          { "X-Theme": "light" },
          { scope: "public", vary: ["X-Theme"] },
        ],
      ])("is not waited for by others where it has %s", async (_name, its, theirs, options) => {
        const { page, far } = await start(place, () => ({ options: options! }));
        const leader = page.ask("leader", its);
        await page.runs(1);
        const follower = far.ask("robert", theirs);
        // It runs while the leader is still held.
        await far.runs(place === "one" ? 2 : 1);
        far.hold(false);
        if (place === "other") far.letGo();
        page.letGo();
        expectOwn(await follower, "robert", ["leader"]);
        expectOwn(await leader, "leader", ["robert"]);
      });

      it("of a HEAD request has no body that a GET could get", async () => {
        const { page, far } = await start(place, () => ({}));
        const leader = page.ask("leader", {}, "HEAD");
        await page.runs(1);
        const follower = far.ask("robert");
        await far.looked(place === "one" ? 2 : 1);
        page.hold(false);
        far.hold(false);
        page.letGo();
        far.letGo();
        expect(textOf(await follower)).toMatch(/^\{"for":"(leader|robert)"\}$/);
        expect(textOf(await leader)).toBe("");
      });
    });
  });
});
