/** Every way of counting by its name. */
import type { Algorithm } from "./algorithm.ts";
import { fixedWindow } from "./fixed-window.ts";
import { slidingWindow } from "./sliding-window.ts";
import { tokenBucket } from "./token-bucket.ts";
import type { AlgorithmName } from "../options.ts";

export const ALGORITHMS: Readonly<Record<AlgorithmName, Algorithm>> = {
  "sliding-window": slidingWindow,
  "token-bucket": tokenBucket,
  "fixed-window": fixedWindow,
};
