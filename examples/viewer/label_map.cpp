// Brush, fill and undo of a label map.
#include "label_map.h"

#include <QUndoCommand>
#include <algorithm>
#include <cmath>

static const int UNDO_LIMIT = 200;

LabelVoxels emptyLabels(const Index &size)
{
    // Blocks of zeros that are one until they are written.
    const size_t count = static_cast<size_t>(size[0]) * size[1] * size[2];
    LabelVoxels voxels(count / LABEL_BLOCK, QList<quint16>(LABEL_BLOCK, 0));
    if (count % LABEL_BLOCK)
        voxels.append(QList<quint16>(count % LABEL_BLOCK, 0));
    return voxels;
}

LabelVoxels labelsOf(const std::vector<quint16> &dense)
{
    LabelVoxels voxels;
    for (size_t start = 0; start < dense.size(); start += LABEL_BLOCK) {
        const size_t length = std::min(LABEL_BLOCK, dense.size() - start);
        voxels.append(QList<quint16>(dense.data() + start, dense.data() + start + length));
    }
    return voxels;
}

std::vector<quint16> denseOf(const LabelVoxels &voxels)
{
    std::vector<quint16> dense;
    dense.reserve(static_cast<size_t>(voxels.size()) * LABEL_BLOCK);
    for (const QList<quint16> &block : voxels)
        dense.insert(dense.end(), block.begin(), block.end());
    return dense;
}

Runs difference(const LabelVoxels &before, const LabelVoxels &after)
{
    Runs runs;
    for (qsizetype b = 0; b < before.size(); ++b) {
        const quint16 *old = before.at(b).constData(), *now = after.at(b).constData();
        const quint32 count = old == now ? 0 : static_cast<quint32>(before.at(b).size());
        for (quint32 n = 0; n < count;) {
            quint32 end = n + 1;
            while (end < count && old[end] == old[n] && now[end] == now[n])
                ++end;
            if (old[n] != now[n])
                runs.push_back({static_cast<quint32>(b * LABEL_BLOCK + n), end - n, old[n], now[n]});
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

LabelMap::LabelMap(const Index &size, const std::array<double, 3> &spacing, LabelVoxels voxels)
    : size_(size), spacing_(spacing), voxels_(std::move(voxels))
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
    for (const Run &run : runs) {
        for (size_t n = run.start, end = n + run.length; n < end;) { // block by block
            const size_t length = std::min(end - n, LABEL_BLOCK - n % LABEL_BLOCK);
            std::fill_n(voxels_[n / LABEL_BLOCK].begin() + n % LABEL_BLOCK, length, forward ? run.after : run.before);
            n += length;
        }
    }
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

void LabelMap::replace(const LabelVoxels &after, Runs runs, const QString &name)
{
    if (runs.empty())
        return;
    voxels_ = after;
    undo_.push(new Edit(*this, std::move(runs), name));
    touched();
}

// Gives one voxel the brush's value, where the brush may, and remembers what it was.
void LabelMap::set(const Index &index, const Brush &brush)
{
    const quint16 old = at(index);
    if (old == brush.value || (brush.onlyBackground && old != 0))
        return;
    const size_t n = place(index);
    voxels_[n / LABEL_BLOCK][n % LABEL_BLOCK] = brush.value;
    Run *last = open_.empty() ? nullptr : &open_.back();
    if (last && last->start + last->length == n && last->before == old && last->after == brush.value)
        ++last->length;
    else
        open_.push_back({static_cast<quint32>(n), 1, old, brush.value});
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
    const auto pixel = [&](const Index &index) { return size_t(index[down]) * size_[across] + index[across]; };
    std::vector<bool> inside(size_t(size_[down]) * size_[across]);
    std::vector<Index> waiting{seed};
    inside[pixel(seed)] = true;
    while (!waiting.empty()) {
        const Index index = waiting.back();
        waiting.pop_back();
        for (int side = 0; side < 4; ++side) {
            Index next = index;
            const int axis = side & 1 ? across : down;
            next[axis] += side & 2 ? 1 : -1;
            if (next[axis] >= 0 && next[axis] < size_[axis] && !inside[pixel(next)] && at(next) == old) {
                inside[pixel(next)] = true;
                waiting.push_back(next);
            }
        }
    }
    Index index = seed;
    for (index[down] = 0; index[down] < size_[down]; ++index[down]) {
        for (index[across] = 0; index[across] < size_[across]; ++index[across]) {
            if (inside[pixel(index)])
                set(index, brush);
        }
    }
    touched();
}
