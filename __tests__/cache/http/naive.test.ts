/** The cases can fail: a naive cache is caught by those that tell of its mistakes, and passes the plainest. */
import { expect, it } from "@jest/globals";
import { naiveCache } from "../../support/naive-http-cache.ts";
import { startWorld } from "../../support/http-cache.ts";
import { CASES, titleOf } from "./all.ts";

/** What each mistake of it runs into. */
const MISTAKES: Readonly<Record<string, readonly string[]>> = {
  "reads directives by their letters": [
    "RFC 9111 §5.2.2.5 MUST NOT: nothing is stored under: max-age=60, NO-STORE",
    'RFC 9111 §5.2.3 MUST: is no no-store or private: max-age=60, ext="no-store"',
  ],
  "takes s-maxage for max-age": [
    "RFC 9111 §4.2 MUST NOT: s-maxage=0 is not reused",
    "RFC 9111 §4.2.1 MUST: s-maxage goes before a shorter max-age",
  ],
  "knows no Expires": ["RFC 9111 §4.2.1 API: Expires is used to its last second"],
  "stores private and no-cache": [
    "RFC 9111 §5.2.2.7 MUST NOT: private is not stored",
    "RFC 9111 §5.2.2.4 MUST NOT: no-cache is not used without validation",
  ],
  "has one entry for all variants": [
    "RFC 9111 §4.1 MUST NOT: another value of a nominated field",
    "RFC 9111 §4.1 MUST NOT: never matches: Vary: *",
  ],
  "stores for every method, and ends nothing": [
    "RFC 9111 §4 MUST: every POST is written through, fresh as the last answer may be",
    "RFC 9111 §3 MUST NOT: the answer to a HEAD is not stored for a GET",
    "RFC 9111 §4.4 MUST: a PUT that succeeds ends the entry",
  ],
  "shares what Authorization brought": [
    "RFC 9111 §3.5 MUST NOT: max-age alone does not share what was said to a request with Authorization",
  ],
  "has no Age, and reads none": [
    "RFC 9111 §4 MUST: a hit says its Age",
    "RFC 9111 §4.2.3 MUST: the handler's Age counts",
  ],
  "forgets the status": ["RFC 9111 §3 API: 404 is stored for its max-age"],
  "stores what broke off, and hop-by-hop fields": [
    "RFC 9111 §3 MUST NOT: 206 is not stored, whatever freshness it has",
    "RFC 9110 §7.6.1 MUST: a field that Connection names is not in a hit: X-Hop",
  ],
  "never validates": [
    "RFC 9111 §4.3.1 MUST: the ETag is sent",
    "RFC 9111 §4.3.4 MUST: a 304 makes the entry fresh, and the client gets it whole",
  ],
  "answers no condition": ["RFC 9110 §13.1.2 MUST: If-None-Match with the ETag is answered 304"],
  "hears no request directive": [
    "RFC 9111 §5.2.1.5 MUST NOT: nothing is stored of: no-store",
    "RFC 9111 §5.2.1.7 SHOULD: only-if-cached without an entry is 504, and no one is asked",
  ],
  "says nothing of itself": ["RFC 9211 §2.1 API: a hit is `hit` with what is left"],
};

/** What even such a cache does right. */
const PLAIN = [
  "RFC 9111 §3 API: a GET answer with max-age is reused",
  "RFC 9111 §4.2 MUST NOT: max-age is not outlived",
  "RFC 9111 §4 MUST NOT: another target URI is not answered from the entry",
];

const byTitle = new Map(CASES.map((item) => [titleOf(item), item]));

const caught = Object.entries(MISTAKES).flatMap(([mistake, titles]) =>
  titles.map((title) => [mistake, title] as const),
);

it.each(caught)("a cache that %s fails at: %s", async (_mistake, title) => {
  const world = await startWorld(naiveCache);
  await expect(byTitle.get(title)!.run(world)).rejects.toHaveProperty("code", "ERR_ASSERTION");
});

it.each(PLAIN)("and passes: %s", async (title) => {
  await byTitle.get(title)!.run(await startWorld(naiveCache));
});
