/** Asks for a frame; a browser's `requestAnimationFrame` by default. */
export type RequestFrame = (callback: () => void) => unknown;

/**
 * Returns a function that calls `draw` once in the next animation frame, however often it is called
 * before: a thousand events a second cost sixty updates. A hidden page gets no frames, and draws once when it is back.
 */
export function createFrameBatch(
  draw: () => void,
  requestFrame: RequestFrame = (callback) => requestAnimationFrame(callback),
): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestFrame(() => {
      isAsked = false;
      draw();
    });
  };
}
