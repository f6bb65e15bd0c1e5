/** Numbers of several rounds: medians and percentiles. */

export function median(values) {
  return percentile(values, 0.5);
}

/** @param share 0 to 1 */
export function percentile(values, share) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const low = sorted[Math.floor(position)];
  const high = sorted[Math.ceil(position)];
  return low + (high - low) * (position - Math.floor(position));
}

/** The rounds in which the machine disturbed least: on a shared one they tell more than the middle. */
export function lowest(values) {
  return percentile(values, 0.1);
}

/** How far the middle half of the values lies apart: what the machine does by itself. */
export function spread(values) {
  return percentile(values, 0.75) - percentile(values, 0.25);
}

/** @param digits after the point */
export function round(value, digits = 2) {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : Number.NaN;
}
