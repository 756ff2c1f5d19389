/** What requests at the same time may share (RFC 9111, section 4). */
import { deepStrictEqual as equal } from "node:assert";
import { type Answer, createGate, type Fields, type Reply } from "../../support/http-cache.ts";
import { type Case, cases, cc, each } from "./case.ts";

/** Two requests, of which the handler answers the first when both have come. */
const together =
  (
    said: Answer,
    [one, two]: readonly [Fields, Fields],
    claim: (replies: readonly Reply[]) => void,
  ): Case["run"] =>
  async (world) => {
    const gate = createGate();
    world.answers(async () => {
      await gate.opened;
      return said;
    });
    const replies = [world.ask(one), world.ask(two)];
    await world.arrived(2);
    gate.open();
    claim(await Promise.all(replies));
  };

const bodiesOf = (replies: readonly Reply[]): string[] =>
  replies.map(({ body }) => body).toSorted();

/** Each has an answer of its own. */
const apart = (said: Answer, first: Fields = {}, other: Fields = first): Case["run"] =>
  together(said, [first, other], (replies) => equal(bodiesOf(replies), ["#1", "#2"]));

/** Cases of requests at the same time. */
export const COLLAPSING: readonly Case[] = [
  ...cases("RFC 9111 §4", "MUST NOT", {
    ...each(
      "requests at the same time do not share",
      ["no-store, max-age=60", "private, max-age=60", "no-cache, max-age=60", "max-age=0"],
      (value) => apart(cc(value)),
    ),
    ...each(
      "requests at the same time do not share, though it can be validated",
      ["no-cache, max-age=60", "no-cache", "max-age=0", "s-maxage=0, max-age=60"],
      (value) => apart(cc(value, { ETag: '"a"' })),
    ),
    "requests at the same time do not share what its Age makes stale": apart(
      cc("max-age=60", { Age: "60", ETag: '"a"' }),
    ),
    "requests at the same time do not share what Vary tells apart": apart(
      cc("max-age=60", { Vary: "X-Lang" }),
      { "X-Lang": "de" },
      { "X-Lang": "fr" },
    ),
    "requests at the same time do not share under Vary: *": apart(cc("max-age=60", { Vary: "*" })),
    "requests at the same time do not share what Authorization brought": apart(
      cc("max-age=60"),
      { Authorization: "Bearer ann" },
      { Authorization: "Bearer bob" },
    ),
    "requests at the same time do not share an error": apart({ status: 500 }),
  }),
  ...cases("RFC 9111 §7.3", "API", {
    "requests at the same time do not share a Set-Cookie": apart(
      cc("max-age=60", { "Set-Cookie": "id=1" }),
    ),
  }),
  ...cases("RFC 9111 §4", "API", {
    "requests at the same time share what may be stored": together(
      cc("max-age=60"),
      [{}, {}],
      (replies) => equal(bodiesOf(replies), ["#1", "#1"]),
    ),
    "requests at the same time share one variant": together(
      cc("max-age=60", { Vary: "X-Lang" }),
      [{ "X-Lang": "de" }, { "X-Lang": "de" }],
      (replies) => equal(bodiesOf(replies), ["#1", "#1"]),
    ),
    "a request with no-cache takes nothing that was begun before it": apart(
      cc("max-age=60"),
      {},
      { "Cache-Control": "no-cache" },
    ),
    "a request with no-store has an answer of its own": apart(
      cc("max-age=60"),
      {},
      {
        "Cache-Control": "no-store",
      },
    ),
  }),
];
