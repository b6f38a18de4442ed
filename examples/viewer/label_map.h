// A label map that is painted on: values of voxels, edits kept as runs of what changed, undo and redo.
//
// Voxels are kept a slice at a time in lists that Qt shares until one is written: a copy of all costs nothing, so that
// a training or a save works on a snapshot while painting goes on, and a stroke copies the slices that it touches.
#pragma once

#include "volume.h"

#include <QList>
#include <QObject>
#include <QUndoStack>

using LabelSlices = QList<QList<quint16>>; // a list for each k, j * width + i in it

LabelSlices emptyLabels(const Index &size);
// From and to the dense order of the library's arrays.
LabelSlices slicesOf(const quint16 *dense, const Index &size);
std::vector<quint16> denseOf(const LabelSlices &slices);

// Neighbouring voxels along i that went from one value to another together.
struct Run {
    qint32 slice;
    qint32 start;
    qint32 length;
    quint16 before;
    quint16 after;
};
using Runs = std::vector<Run>;

// What changes between two label maps. Slices that both share are skipped: only what was touched costs time.
Runs difference(const LabelSlices &before, const LabelSlices &after);

struct Brush {
    double radius = 3; // millimetres
    int flat = 2;      // array axis across which it has no extent; -1: a ball
    quint16 value = 1;
    bool onlyBackground = false; // leaves other labels alone
};

class LabelMap : public QObject
{
    Q_OBJECT

public:
    // `slices` is what the file holds: not an edit.
    LabelMap(const Index &size, const std::array<double, 3> &spacing, LabelSlices slices);

    quint16 at(const Index &index) const
    {
        return slices_.at(index[2]).at(index[1] * size_[0] + index[0]);
    }
    const LabelSlices &slices() const
    {
        return slices_;
    }
    QUndoStack &undoStack()
    {
        return undo_;
    }
    bool modified() const
    {
        return !undo_.isClean();
    }
    // Changes with every edit, undo and redo: tells whether a result still belongs to these voxels.
    quint64 revision() const
    {
        return revision_;
    }

    // An edit is open from begin to end and becomes one step of undo; strokes and fills in between add to it.
    void begin();
    void paint(const Index &from, const Index &to, const Brush &brush);
    // The connected part of one slice that has the value of `seed`.
    void fill(const Index &seed, const Brush &brush);
    void end(const QString &name);
    // Takes over a map prepared elsewhere, with `runs` = difference(slices(), after), as one step of undo.
    void replace(const LabelSlices &after, Runs runs, const QString &name);

signals:
    void changed();

private:
    friend class Edit;
    void apply(const Runs &runs, bool forward);
    void stamp(const Index &centre, const Brush &brush);
    void set(const Index &index, const Brush &brush);
    void touched();

    Index size_;
    std::array<double, 3> spacing_;
    LabelSlices slices_;
    Runs open_;
    QUndoStack undo_;
    quint64 revision_ = 0;
};
