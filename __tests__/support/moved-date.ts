/** A time of day that a test moves on; timers and everything else are real. */
import { afterEach, beforeEach, jest } from "@jest/globals";

/** What a test does to it. */
export interface MovedDate {
  /** Moves it on by so many milliseconds, until the test ends. */
  forward(ms: number): void;
}

/** Moves `Date.now` for each test of a suite; kits have to be made inside of the tests. */
export function moveDate(): MovedDate {
  let offset = 0;
  let spy: jest.SpiedFunction<typeof Date.now> | undefined;
  beforeEach(() => {
    offset = 0;
    const real = Date.now.bind(Date);
    spy = jest.spyOn(Date, "now").mockImplementation(() => real() + offset);
  });
  afterEach(() => {
    spy?.mockRestore();
  });
  return { forward: (ms) => void (offset += ms) };
}
