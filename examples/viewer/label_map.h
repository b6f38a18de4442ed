// A label map that is painted on: values of voxels, edits kept as runs of what changed, undo and redo.
//
// Voxels are kept in blocks, lists that Qt shares until one is written: a copy of all costs nothing, so that a training
// or a save works on a snapshot while painting goes on, and a stroke copies the few blocks that it touches.
#pragma once

#include "volume.h"

#include <QList>
#include <QObject>
#include <QUndoStack>

using LabelVoxels = QList<QList<quint16>>; // voxel n, in dense order, is n % LABEL_BLOCK of list n / LABEL_BLOCK
const size_t LABEL_BLOCK = 16384;

LabelVoxels emptyLabels(const Index &size);
// From and to the dense order of the library's arrays.
LabelVoxels labelsOf(const std::vector<quint16> &dense);
std::vector<quint16> denseOf(const LabelVoxels &voxels);

// Voxels that follow each other in dense order and went from one value to another together.
struct Run {
    quint32 start;
    quint32 length;
    quint16 before;
    quint16 after;
};
using Runs = std::vector<Run>;

// What changes between two label maps. Blocks that both share are skipped: only what was touched costs time.
Runs difference(const LabelVoxels &before, const LabelVoxels &after);

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
    // `voxels` is what the file holds: not an edit.
    LabelMap(const Index &size, const std::array<double, 3> &spacing, LabelVoxels voxels);

    quint16 at(const Index &index) const
    {
        const size_t n = place(index);
        return voxels_.at(n / LABEL_BLOCK).at(n % LABEL_BLOCK);
    }
    const LabelVoxels &voxels() const
    {
        return voxels_;
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
    // Takes over a map prepared elsewhere, with `runs` = difference(voxels(), after), as one step of undo.
    void replace(const LabelVoxels &after, Runs runs, const QString &name);

signals:
    void changed();

private:
    friend class Edit;
    size_t place(const Index &index) const
    {
        return (static_cast<size_t>(index[2]) * size_[1] + index[1]) * size_[0] + index[0];
    }
    void apply(const Runs &runs, bool forward);
    void stamp(const Index &centre, const Brush &brush);
    void set(const Index &index, const Brush &brush);
    void touched();

    Index size_;
    std::array<double, 3> spacing_;
    LabelVoxels voxels_;
    Runs open_;
    QUndoStack undo_;
    quint64 revision_ = 0;
};
