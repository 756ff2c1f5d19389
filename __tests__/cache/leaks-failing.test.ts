import { describe, expect, it } from "@jest/globals";
import type { CacheOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { type StalePage, type StaleParts, staleFor } from "../support/stale-page.ts";
import { type PageParts, tellPerson } from "../support/told-page.ts";

type Answer = NonNullable<PageParts["answer"]>;

function fieldsOf({ headers }: RawReply): Record<string, unknown> {
  const { date: _date, age: _age, "cache-status": _status, ...rest } = headers;
  return rest;
}

describe("where a handler fails and an entry is stale", () => {
  describeBackends("cache()", (backend) => {
    const start = (parts: StaleParts, options?: CacheOptions): Promise<StalePage> =>
      staleFor(backend, parts, options);

    it.each<[string, Answer]>([
      ["500", (res, person) => tellPerson(res.status(500).cookie("failed", person), person)],
      ["502", (res, person) => void res.status(502).type("html").send(`<p>${person}`)],
      ["503", (res, person) => tellPerson(res.status(503).set("Retry-After", "9"), person)],
      ["504, in pieces", (res, person) => (res.writeHead(504), res.write(person), res.end())],
      [
        "a throw",
        (_res, person) => {
          throw new Error(person);
        },
      ],
    ])("takes its place, and nothing is seen of the failure: %s", async (_n, answer) => {
      const { page } = await start({ answer }, { staleIfError: "1h" });
      const replies: RawReply[] = [];
      for (const person of ["alicia", "robert"]) {
        const reply = await page.ask(person);
        expect([reply.status, textOf(reply)]).toEqual([200, '{"for":"nobody"}']);
        expect(reply.headers["x-request-id"]).toBe(`outer-${person}`);
        expect(reply.headers["x-for"]).toBe("nobody");
        expect(reply.headers["set-cookie"]).toBeUndefined();
        expect(reply.headers["retry-after"]).toBeUndefined();
        expect(reply.headers["cache-status"]).toMatch(/fwd=stale.*detail=stale-if-error/);
        replies.push(reply);
      }
      expect(page.begun).toEqual(["nobody", "alicia", "robert"]);
      expect(Object.keys(fieldsOf(replies[0]!))).toEqual(Object.keys(fieldsOf(replies[1]!)));
    });

    it("a failure whose place it does not take is its own request's alone", async () => {
      const answer: Answer = (res, person) => tellPerson(res.status(501), person);
      const { page } = await start({ answer }, { staleIfError: "1h" });
      const replies = await Promise.all(["alicia", "robert"].map((person) => page.ask(person)));
      for (const [index, reply] of replies.entries()) {
        expect([reply.status, textOf(reply)]).toEqual([
          501,
          `{"for":"${["alicia", "robert"][index]}"}`,
        ]);
      }
    });
  });
});
