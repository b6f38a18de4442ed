// The labels: value, name, colour, visibility and opacity of each, as a table model, and as a lookup for drawing.
#pragma once

#include <QAbstractTableModel>
#include <QColor>
#include <QVector>

struct Label {
    quint16 value;
    QString name;
    QColor colour;
    bool visible;
    int opacity; // per cent
};

class LabelTable : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Name, Value, Opacity, Columns };

    explicit LabelTable(QObject *parent = nullptr);

    // Adds what isn't there; a name is taken over where the label has only a number so far.
    void ensure(quint16 value, const QString &name);
    // Adds a label with the first free value; its row.
    int add();
    const Label *find(quint16 value) const;
    const Label &label(int row) const
    {
        return labels_.at(row);
    }
    void setColour(int row, const QColor &colour);
    void setVisible(int row, bool visible);
    // Premultiplied colours by label value; transparent where a label is invisible, or background.
    const QRgb *lookup() const
    {
        return lookup_.constData();
    }

    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    bool setData(const QModelIndex &index, const QVariant &value, int role) override;
    Qt::ItemFlags flags(const QModelIndex &index) const override;

signals:
    void looksChanged();

private:
    void changed(int row);

    QVector<Label> labels_;
    QVector<QRgb> lookup_;
};
