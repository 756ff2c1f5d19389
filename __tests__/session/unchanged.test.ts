/** What is told of a session without writing it out must be what writing it out tells. */
import { expect, it } from "@jest/globals";
import * as fc from "fast-check";
import {
  encode,
  fingerprint,
  isPlainlyUnchanged,
  isUnchanged,
  type SessionJson,
} from "../../src/session/records/record.ts";

const name = fc.constantFrom("a", "b", "1", "userId");
const value = fc.oneof(
  fc.constantFrom<unknown>(null, 1, -0, NaN, "", "x", true, undefined),
  fc.array(fc.nat(2), { maxLength: 2 }),
  fc.record({ deep: fc.nat(2) }),
);
const cookie = fc.record(
  {
    originalMaxAge: fc.constantFrom<number | false | null>(null, false, 1000, 2000),
    expires: fc.constantFrom<unknown>(null, "2030-01-01T00:00:00.000Z"),
    path: fc.constantFrom("/", "/x"),
    secure: fc.boolean(),
  },
  { requiredKeys: ["originalMaxAge"] },
);
const session = fc
  .tuple(cookie, fc.dictionary(name, value))
  .map(([made, data]) => ({ cookie: made, ...data }));

it("of sessions that were changed, and of those that were not", () => {
  const mark = { v: 1, created: 0 } as const;
  let plain = 0;
  fc.assert(
    fc.property(session, fc.option(session), (before, after) => {
      const text = encode(before, mark);
      const loaded = JSON.parse(JSON.stringify(before)) as SessionJson;
      const now = after ?? { ...loaded };
      const isSame = fingerprint(now) === fingerprint(loaded);
      expect(isUnchanged(now, text)).toBe(isSame);
      // It may not know; but where it says so, it is so.
      if (!isPlainlyUnchanged(now, loaded)) return;
      plain += 1;
      expect(isSame).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(plain).toBeGreaterThan(10);
});
