/** Promises whose rejection nobody has seen: there must be none. */
import { afterAll, afterEach, beforeAll, expect } from "@jest/globals";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Lets every test of the file fail that leaves one. */
export function expectNoUnhandledRejections(): void {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  beforeAll(() => void process.on("unhandledRejection", note));
  afterEach(async () => {
    await nextTurn();
    await nextTurn();
    const seen = unhandled.splice(0);
    // oxlint-disable-next-line jest/no-standalone-expect -- of the test that has just run
    expect(seen).toEqual([]);
  });
  afterAll(() => void process.off("unhandledRejection", note));
}
