# The statistics of examples/weather by other means than the example's own code:
#   awk -f expected.awk data/weather/source.csv > expected.tsv
# Amounts are added up in tenths, the unit of the data, so that no rounding depends on the order.
BEGIN { FS = ","; OFS = "\t"; print "month", "days", "rain_mm", "max_c", "min_c", "mean_c", "wind_max" }
NR == 1 { next }
{
  m = substr($1, 1, 7)
  if (!(m in days)) { order[++n] = m; max[m] = $3; min[m] = $4; wind[m] = $5 }
  days[m]++
  rain[m] += tenths($2)
  mean[m] += tenths($3) + tenths($4)
  if ($3 + 0 > max[m] + 0) max[m] = $3
  if ($4 + 0 < min[m] + 0) min[m] = $4
  if ($5 + 0 > wind[m] + 0) wind[m] = $5
  hysteresis("frost", $4 <= 0, $4 >= 3)
  hysteresis("storm", $5 >= 8, $5 <= 5)
}
END {
  for (i = 1; i <= n; i++) {
    m = order[i]
    printf "%s\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%.1f\n", m, days[m], rain[m] / 10, max[m], min[m], int(mean[m] * 5 / days[m] + 0.5) / 100, wind[m]
  }
  print "alarm", "raised", "cleared"
  print "frost", raised["frost"] + 0, cleared["frost"] + 0
  print "storm", raised["storm"] + 0, cleared["storm"] + 0
}
function tenths(x) { return x < 0 ? int(x * 10 - 0.5) : int(x * 10 + 0.5) }
function hysteresis(name, up, down) {
  if (!on[name] && up) { on[name] = 1; raised[name]++ }
  else if (on[name] && down) { on[name] = 0; cleared[name]++ }
}
