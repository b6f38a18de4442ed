// Brush, fill and undo of a label map.
#include "label_map.h"

#include <QUndoCommand>
#include <algorithm>
#include <cmath>

static const int UNDO_LIMIT = 200;

LabelSlices emptyLabels(const Index &size)
{
    // One list of zeros that all slices share until they are written.
    return LabelSlices(size[2], QList<quint16>(size[0] * size[1], 0));
}

LabelSlices slicesOf(const quint16 *dense, const Index &size)
{
    const qsizetype area = static_cast<qsizetype>(size[0]) * size[1];
    LabelSlices slices;
    for (int k = 0; k < size[2]; ++k)
        slices.append(QList<quint16>(dense + k * area, dense + (k + 1) * area));
    return slices;
}

std::vector<quint16> denseOf(const LabelSlices &slices)
{
    std::vector<quint16> dense;
    if (!slices.isEmpty())
        dense.reserve(static_cast<size_t>(slices.size() * slices.first().size()));
    for (const QList<quint16> &slice : slices)
        dense.insert(dense.end(), slice.begin(), slice.end());
    return dense;
}

Runs difference(const LabelSlices &before, const LabelSlices &after)
{
    Runs runs;
    for (qsizetype k = 0; k < before.size(); ++k) {
        const quint16 *old = before.at(k).constData(), *now = after.at(k).constData();
        const qint32 count = old == now ? 0 : static_cast<qint32>(before.at(k).size());
        for (qint32 n = 0; n < count;) {
            qint32 end = n + 1;
            while (end < count && old[end] == old[n] && now[end] == now[n])
                ++end;
            if (old[n] != now[n])
                runs.push_back({static_cast<qint32>(k), n, end - n, old[n], now[n]});
            n = end;
        }
    }
    return runs;
}

class Edit : public QUndoCommand
{
public:
    Edit(LabelMap &map, Runs runs, const QString &name) : QUndoCommand(name), map_(map), runs_(std::move(runs))
    {
        runs_.shrink_to_fit();
    }
    void undo() override
    {
        map_.apply(runs_, false);
    }
    void redo() override
    {
        if (!first_) // the stack does it once on taking the command, when the voxels have changed already
            map_.apply(runs_, true);
        first_ = false;
    }

private:
    LabelMap &map_;
    Runs runs_;
    bool first_ = true;
};

LabelMap::LabelMap(const Index &size, const std::array<double, 3> &spacing, LabelSlices slices)
    : size_(size), spacing_(spacing), slices_(std::move(slices))
{
    undo_.setUndoLimit(UNDO_LIMIT);
}

void LabelMap::touched()
{
    ++revision_;
    emit changed();
}

void LabelMap::apply(const Runs &runs, bool forward)
{
    for (const Run &run : runs)
        std::fill_n(slices_[run.slice].begin() + run.start, run.length, forward ? run.after : run.before);
    touched();
}

void LabelMap::begin()
{
    open_.clear();
}

void LabelMap::end(const QString &name)
{
    if (!open_.empty())
        undo_.push(new Edit(*this, std::move(open_), name));
    open_.clear();
    emit changed();
}

void LabelMap::replace(const LabelSlices &after, Runs runs, const QString &name)
{
    if (runs.empty())
        return;
    slices_ = after;
    undo_.push(new Edit(*this, std::move(runs), name));
    touched();
}

// Gives one voxel the brush's value, where the brush may, and remembers what it was.
void LabelMap::set(const Index &index, const Brush &brush)
{
    const quint16 old = at(index);
    if (old == brush.value || (brush.onlyBackground && old != 0))
        return;
    const qint32 n = index[1] * size_[0] + index[0];
    slices_[index[2]][n] = brush.value;
    Run *last = open_.empty() ? nullptr : &open_.back();
    if (last && last->slice == index[2] && last->start + last->length == n && last->before == old &&
        last->after == brush.value)
        ++last->length;
    else
        open_.push_back({index[2], n, 1, old, brush.value});
}

void LabelMap::stamp(const Index &centre, const Brush &brush)
{
    int low[3], high[3];
    for (int axis = 0; axis < 3; ++axis) {
        const int reach = axis == brush.flat ? 0 : static_cast<int>(brush.radius / spacing_[axis]);
        low[axis] = std::max(0, centre[axis] - reach);
        high[axis] = std::min(size_[axis] - 1, centre[axis] + reach);
    }
    const auto squared = [&](int axis, int n) { return std::pow((n - centre[axis]) * spacing_[axis], 2); };
    for (int k = low[2]; k <= high[2]; ++k) {
        for (int j = low[1]; j <= high[1]; ++j) {
            const double rest = brush.radius * brush.radius - squared(1, j) - squared(2, k);
            for (int i = low[0]; i <= high[0]; ++i) {
                if (squared(0, i) <= rest)
                    set({i, j, k}, brush);
            }
        }
    }
}

void LabelMap::paint(const Index &from, const Index &to, const Brush &brush)
{
    // Stamps a quarter of a radius apart look like a stroke without a gap.
    double length = 0;
    for (int axis = 0; axis < 3; ++axis)
        length += std::pow((to[axis] - from[axis]) * spacing_[axis], 2);
    const double finest = *std::min_element(spacing_.begin(), spacing_.end());
    const int steps = static_cast<int>(std::ceil(std::sqrt(length) / std::max(brush.radius / 4, finest)));
    for (int step = steps ? 1 : 0; step <= steps; ++step) {
        Index centre = to;
        for (int axis = 0; axis < 3 && steps; ++axis)
            centre[axis] = from[axis] + static_cast<int>(std::lround((to[axis] - from[axis]) * double(step) / steps));
        stamp(centre, brush);
    }
    touched();
}

void LabelMap::fill(const Index &seed, const Brush &brush)
{
    const quint16 old = at(seed);
    const int normal = brush.flat < 0 ? 2 : brush.flat, across = normal == 0 ? 1 : 0, down = normal == 2 ? 1 : 2;
    const auto place = [&](const Index &index) { return size_t(index[down]) * size_[across] + index[across]; };
    std::vector<bool> inside(size_t(size_[down]) * size_[across]);
    std::vector<Index> waiting{seed};
    inside[place(seed)] = true;
    while (!waiting.empty()) {
        const Index index = waiting.back();
        waiting.pop_back();
        for (int side = 0; side < 4; ++side) {
            Index next = index;
            const int axis = side & 1 ? across : down;
            next[axis] += side & 2 ? 1 : -1;
            if (next[axis] >= 0 && next[axis] < size_[axis] && !inside[place(next)] && at(next) == old) {
                inside[place(next)] = true;
                waiting.push_back(next);
            }
        }
    }
    Index index = seed;
    for (index[down] = 0; index[down] < size_[down]; ++index[down]) {
        for (index[across] = 0; index[across] < size_[across]; ++index[across]) {
            if (inside[place(index)])
                set(index, brush);
        }
    }
    touched();
}
