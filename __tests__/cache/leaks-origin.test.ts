import { describe, expect, it } from "@jest/globals";
import type { RequestHandler, Response } from "express";
import type { CacheOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { HERS, type Headers, lateCookie, OURS } from "../support/shareable.ts";
import { EXPRESSES } from "../support/shells.ts";
import { type PageParts, serveTold, tellPerson, type ToldPage } from "../support/told-page.ts";

function contentOf({ headers, body }: RawReply): string {
  const { "x-request-id": _id, ratelimit: _limit, ...rest } = headers;
  return JSON.stringify(rest) + body.toString();
}

function tellHead(response: Response, person: string): void {
  response.set({ "X-For": person, ETag: '"1"' });
  if (response.get("Cache-Control") === undefined) response.set("Cache-Control", "max-age=60");
  response.end();
}

const readsSession: RequestHandler = (req, res, next) => {
  res.locals["user"] = req.session.userId;
  next();
};

describe("where the response says how long it is fresh", () => {
  describeBackends("cache()", (backend) => {
    const { express } = EXPRESSES[backend.name === "memory" ? 1 : 0]!;

    async function start(
      { session, ...parts }: PageParts & { session?: true },
      options: CacheOptions = { scope: "public" },
    ) {
      const kit = makeKit({ ...backend.options(), secret: "s" });
      const log = watchCache(kit);
      let unseen = 0;
      const page = await serveTold(express, kit, {
        ...parts,
        before: [...(session ? [kit.session() as RequestHandler] : []), ...(parts.before ?? [])],
        options: { ttl: "origin", ...options },
      });
      const ask = async (person: string, headers: Headers = {}): Promise<RawReply> => {
        const reply = await page.ask(person, headers);
        // Of a request that says no-store, nothing is looked at.
        if (headers["Cache-Control"] === "no-store") unseen++;
        const misses = log.events.filter(({ outcome }) => outcome === "miss").length;
        await log.settled(misses - unseen);
        return reply;
      };
      return { kit, log, page, ask };
    }

    it.each(HERS)(
      "alicia's response is not robert's: %s",
      async (_name, fields, hers = {}, his = {}, around = {}) => {
        const answer = (res: Response, person: string): void => tellPerson(res.set(fields), person);
        const { ask } = await start({ answer, ...around });
        expect(textOf(await ask("alicia", hers))).toBe('{"for":"alicia"}');
        for (const person of ["robert", "carolina", "robert"]) {
          expect(contentOf(await ask(person, his))).not.toContain("alicia");
        }
      },
    );

    it.each(OURS)(
      "alicia's response is robert's: %s",
      async (_name, fields, hers = {}, his = {}) => {
        const answer = (res: Response, person: string): void => tellPerson(res.set(fields), person);
        const { ask } = await start({ answer });
        await ask("alicia", hers);
        const reply = await ask("robert", his);
        expect(textOf(reply)).toBe('{"for":"alicia"}');
        expect(reply.headers["x-request-id"]).toBe("outer-robert");
        expect(reply.headers["ratelimit"]).toBe('"api";r=outer-robert');
      },
    );

    it("public does not overrule the scope: who is somebody bypasses", async () => {
      const answer = (res: Response, person: string): void =>
        tellPerson(res.set("Cache-Control", "public, max-age=60"), person);
      const { ask } = await start({ answer }, {});
      for (const headers of [{ Authorization: "a" }, { Cookie: "a=1" }, { "X-User": "alicia" }]) {
        expect(textOf(await ask("alicia", headers as Headers))).toBe('{"for":"alicia"}');
        expect(contentOf(await ask("robert"))).not.toContain("alicia");
      }
    });

    it("a handler that read the session is not stored, whatever it says", async () => {
      const kit = makeKit({ ...backend.options(), secret: "s" });
      const page = await serveTold(express, kit, {
        options: { ttl: "origin" },
        before: [kit.session() as RequestHandler],
        after: [readsSession],
        answer: (res, person) => tellPerson(res.set("Cache-Control", "public, max-age=60"), person),
      });
      for (const person of ["alicia", "robert"]) {
        expect(textOf(await page.ask(person))).toBe(`{"for":"${person}"}`);
      }
    });

    it.each<[string, Headers, PageParts, CacheOptions]>([
      ["a cookie", { "Set-Cookie": "a=1" }, {}, { scope: "public" }],
      [
        "a cookie of a middleware before the cache",
        {},
        { before: [lateCookie] },
        { scope: "public" },
      ],
      ["private", { "Cache-Control": "private" }, {}, { scope: "public" }],
      ["no-store", { "Cache-Control": "no-store" }, {}, { scope: "public" }],
      ["what the session says", {}, { after: [readsSession] }, {}],
    ])(
      "a validation whose 304 brings %s changes nothing for others",
      async (_n, fields, parts, options) => {
        const forAlicia =
          (each: RequestHandler): RequestHandler =>
          (req, res, next) =>
            req.get("X-Person") === "alicia" ? each(req, res, next) : next();
        const { ask, kit } = await start(
          {
            session: true,
            before: (parts.before ?? []).map(forAlicia),
            after: (parts.after ?? []).map(forAlicia),
            answer: (res, person) => {
              res.set({ "X-For": person, ETag: '"1"', "Cache-Control": "max-age=60" });
              if (res.req.get("If-None-Match") === '"1"') res.set(fields).status(304).end();
              else res.json({ for: "everybody" });
            },
          },
          options,
        );
        await ask("nobody");
        await kit.cache.expire("page");
        const alicia = await ask("alicia");
        expect([alicia.status, textOf(alicia)]).toEqual([200, '{"for":"everybody"}']);
        for (const person of ["robert", "carolina"]) {
          const reply = await ask(person);
          expect([reply.status, textOf(reply)]).toEqual([200, '{"for":"everybody"}']);
          expect(contentOf(reply)).not.toContain("alicia");
        }
      },
    );

    it.each<[string, PageParts]>([
      ["a cookie", { answer: (res, person) => tellHead(res.cookie("seen", person), person) }],
      ["a cookie of a middleware before the cache", { before: [lateCookie], answer: tellHead }],
      [
        "private",
        { answer: (res, person) => tellHead(res.set("Cache-Control", "private"), person) },
      ],
    ])("the answer to a HEAD that brings %s changes nothing for others", async (_name, parts) => {
      const { ask, kit, page } = await start({
        before: (parts.before ?? []).map(
          (each): RequestHandler =>
            (req, res, next) =>
              req.method === "HEAD" ? each(req, res, next) : next(),
        ),
        answer: (res, person) => {
          if (res.req.method === "HEAD") return parts.answer!(res, person);
          return res.set({ ETag: '"1"', "Cache-Control": "max-age=60" }).json({ for: "everybody" });
        },
      });
      await ask("nobody");
      await kit.cache.expire("page");
      await page.ask("alicia", {}, "HEAD");
      for (const person of ["robert", "carolina"]) {
        const reply = await page.ask(person);
        expect(textOf(reply)).toBe('{"for":"everybody"}');
        expect(contentOf(reply)).not.toContain("alicia");
      }
    });

    it("one user's validation does not show the handler another user's entry", async () => {
      const seen: [string, string | undefined][] = [];
      const answer = (res: Response, person: string): void => {
        seen.push([person, res.req.get("If-None-Match")]);
        tellPerson(res.set({ ETag: `"of-${person}"`, "Cache-Control": "no-cache" }), person);
      };
      const { ask } = await start({ answer }, { scope: "user" });
      for (const person of ["alicia", "robert", "alicia", "robert"]) {
        const reply = await ask(person, { "X-User": person });
        expect(textOf(reply)).toBe(`{"for":"${person}"}`);
      }
      expect(seen).toEqual([
        ["alicia", undefined],
        ["robert", undefined],
        ["alicia", '"of-alicia"'],
        ["robert", '"of-robert"'],
      ]);
    });

    it.each<[string, Headers]>([
      ["private", { "Cache-Control": "private, max-age=60" }],
      ["with a cookie", { "Cache-Control": "max-age=60", "Set-Cookie": "a=1" }],
    ])("a refresh in the background that is %s stays unseen", async (_name, fields) => {
      const answer = (res: Response, person: string): void => {
        const fresh = { "Cache-Control": "max-age=60, stale-while-revalidate=60" };
        tellPerson(res.set(person === "nobody" ? fresh : fields), person);
      };
      const { kit, page, log } = await start({ answer });
      await page.ask("nobody");
      await log.settled(1);
      await kit.cache.expire("page");
      const alicia = await page.ask("alicia");
      expect(textOf(alicia)).toBe('{"for":"nobody"}');
      expect(alicia.headers["set-cookie"]).toBeUndefined();
      await page.runs(2);
      await log.settled(2);
      for (const person of ["robert", "carolina"]) {
        expect(contentOf(await page.ask(person))).not.toContain("alicia");
      }
    });

    it("a request that says no-store refreshes nothing for others", async () => {
      const answer = (res: Response, person: string): void =>
        tellPerson(res.set("Cache-Control", "max-age=60, stale-while-revalidate=60"), person);
      const { kit, page, log } = await start({ answer });
      await page.ask("nobody");
      await log.settled(1);
      await kit.cache.expire("page");
      const stale = await page.ask("alicia", { "Cache-Control": "no-store" });
      expect(textOf(stale)).toBe('{"for":"nobody"}');
      for (let index = 0; index < 5; index++) {
        await page.looked(index + 2);
        expect(contentOf(await page.ask("nobody"))).not.toContain("alicia");
      }
    });

    it("who waits for another process gets what its own fields select, as do those who wait with it", async () => {
      const answer = (res: Response, person: string): void =>
        tellPerson(res.set({ "Cache-Control": "max-age=60", Vary: "Origin" }), person);
      const parts: PageParts = { answer, options: { ttl: "origin", scope: "public" } };
      const kits = [0, 1].map(() => makeKit(backend.options()));
      const pages = await Promise.all(kits.map((kit) => serveTold(express, kit, parts)));
      const [near, far] = pages as [ToldPage, ToldPage];
      near.hold(true);
      far.hold(true);
      const from = (person: string): Headers => ({ Origin: `https://${person}.test` });
      const leader = near.ask("alicia", from("alicia"));
      await near.runs(1);
      const second = far.ask("alicia", from("alicia"));
      await far.looked(1);
      const third = far.ask("carolina", from("carolina"));
      await far.looked(2);
      far.hold(false);
      near.letGo();
      far.letGo();
      expect(textOf(await leader)).toBe('{"for":"alicia"}');
      expect(textOf(await second)).toBe('{"for":"alicia"}');
      expect(textOf(await third)).toBe('{"for":"carolina"}');
    });
  });
});
