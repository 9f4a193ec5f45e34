// Quantiles of a histogram, as `engine_proc status` has them.

// Returns the value that `share` (0 to 1) of the values do not exceed, as Prometheus's `histogram_quantile` finds it: the values of a
// bucket are taken to lie evenly in it; of the last one, which has no end, its lower bound is returned. null: the histogram is empty.
export function quantile({ bounds, counts }, share) {
  let wanted = counts.reduce((sum, count) => sum + count, 0) * share, lower = 0;
  if (!wanted) return null;
  for (const [index, bound] of bounds.entries()) {
    const count = counts[index];
    if (count && wanted <= count) return lower + ((bound - lower) * wanted) / count;
    wanted -= count;
    lower = bound;
  }
  return lower;
}
