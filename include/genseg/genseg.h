/**
 * @file genseg.h
 * All of libgenseg's interface: an embeddable library that learns to segment medical
 * images from few annotated examples.
 */
#ifndef GENSEG_GENSEG_H
#define GENSEG_GENSEG_H

#include "genseg/base.h"
#include "genseg/context.h"
#include "genseg/dataset.h"
#include "genseg/generator.h"
#include "genseg/metrics.h"
#include "genseg/segmenter.h"
#include "genseg/trainer.h"
#include "genseg/version.h"

#endif
