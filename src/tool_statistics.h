// Means with intervals of scores that come in seeds and cases.
#ifndef GENSEG_TOOL_STATISTICS_H
#define GENSEG_TOOL_STATISTICS_H

#include <stdint.h>

typedef struct interval {
    double mean;      // of the seeds' means; NaN without any value
    double low, high; // that hold the mean with 95 % confidence; NaN where there are no two clusters
    int64_t clusters; // independent units that the interval rests on
    int64_t count;    // values
} interval;

// Mean and interval of seeds x cases values, NaN where there is none. A seed weighs as much as another, whatever
// the number of its cases. What is taken for independent are the seeds, or, where `unit` is given, the units of the
// cases: unit[c] (from 0 to cases - 1) tells which cases go together, in all seeds.
// `sums` is scratch for as many numbers as there are seeds, or cases.
//
// The deviations of the values from the mean, weighed as in the mean, are summed within each cluster; G clusters
// with sums u give the variance G / (G - 1) * sum(u * u), and t of G - 1 degrees of freedom the interval. Where seeds
// are the clusters, that is the usual interval of their means.
interval statistics_interval(const double *values, int64_t seeds, int64_t cases, const int64_t *unit, double *sums);

// Mean and standard deviation (NaN below two) of the finite values; gives their number.
int64_t statistics_mean(const double *values, int64_t count, double *mean, double *deviation);

// Student's t below which 97.5 % lie.
double statistics_t(int64_t degrees);

#endif
