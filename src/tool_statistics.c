// Intervals by Student's t over clusters: few seeds make them wide, as they should be.
#include "tool_statistics.h"

#include <math.h>
#include <stddef.h>

#define CONFIDENCE 0.95
// Beyond, t hardly changes.
#define MOST_DEGREES 10000
#define PI 3.14159265358979323846

// Chance that |t| is below `t`: the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
static double chance_within(double t, int64_t degrees)
{
    const double angle = atan(t / sqrt((double)degrees));
    const double squared = cos(angle) * cos(angle);
    const int64_t odd = degrees % 2;
    double term = odd ? cos(angle) : 1.0, sum = degrees > 1 ? term : 0.0;
    for (int64_t k = 2 + odd; k < degrees; k += 2) {
        term *= squared * (double)(k - 1) / (double)k;
        sum += term;
    }
    return odd ? 2.0 / PI * (angle + sin(angle) * sum) : sin(angle) * sum;
}

double statistics_t(int64_t degrees)
{
    double low = 0.0, high = 16.0;
    if (degrees < 1)
        return NAN;
    if (degrees > MOST_DEGREES)
        degrees = MOST_DEGREES;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2.0;
        if (chance_within(middle, degrees) < CONFIDENCE)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t statistics_mean(const double *values, int64_t count, double *mean, double *deviation)
{
    int64_t defined = 0;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        sum += values[i];
        defined++;
    }
    *mean = defined ? sum / (double)defined : NAN;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = defined > 1 ? sqrt(squares / (double)(defined - 1)) : NAN;
    return defined;
}

// Adds up the weighed deviations within each cluster; clusters without a value stay NaN.
static void sum_deviations(const double *values, int64_t seeds, int64_t cases, const int64_t *unit, double *sums,
                           double mean, int64_t used)
{
    double own, deviation;
    for (int64_t i = 0; i < (unit ? cases : seeds); i++)
        sums[i] = NAN;
    for (int64_t s = 0; s < seeds; s++) {
        const double *row = values + s * cases;
        int64_t count = statistics_mean(row, cases, &own, &deviation);
        for (int64_t c = 0; c < cases; c++) {
            double *sum = &sums[unit ? unit[c] : s];
            if (isfinite(row[c]))
                *sum = (isnan(*sum) ? 0.0 : *sum) + (row[c] - mean) / (double)(used * count);
        }
    }
}

interval statistics_interval(const double *values, int64_t seeds, int64_t cases, const int64_t *unit, double *sums)
{
    interval result = {.mean = NAN, .low = NAN, .high = NAN};
    double own, deviation, total = 0.0, squares = 0.0;
    int64_t used = 0;
    for (int64_t s = 0; s < seeds; s++) {
        int64_t count = statistics_mean(values + s * cases, cases, &own, &deviation);
        result.count += count;
        if (count > 0) {
            total += own;
            used++;
        }
    }
    if (used == 0)
        return result;
    result.mean = total / (double)used;
    sum_deviations(values, seeds, cases, unit, sums, result.mean, used);
    for (int64_t i = 0; i < (unit ? cases : seeds); i++) {
        if (isnan(sums[i]))
            continue;
        squares += sums[i] * sums[i];
        result.clusters++;
    }
    if (result.clusters < 2)
        return result;
    const double clusters = (double)result.clusters;
    const double half = statistics_t(result.clusters - 1) * sqrt(squares * clusters / (clusters - 1.0));
    result.low = result.mean - half;
    result.high = result.mean + half;
    return result;
}
